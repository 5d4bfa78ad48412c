"""The loss of image labels and captions, on two images with two proposals each."""

import pytest
import torch
from detectron2.structures import Boxes, Instances
from torch.nn.functional import softplus

from detic.annotation import AnnotationKind
from detic.modeling.roi_heads.weak_loss import WeakLossParams, weak_loss
from detic.modeling.supervision import BatchCaptions, SampledClasses, Supervision
from detic.recipes import default_config

LOGITS = torch.tensor([[1.0, -1.0, 0.0], [2.0, 0.5, 0.0], [-1.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
PARAMS = WeakLossParams(weight=0.5, caption_weight=2.0)


def proposals():
    """The first proposal of each image is the larger one; the last would not be chosen."""
    boxes = Boxes(torch.tensor([[0.0, 0.0, 8.0, 4.0], [0.0, 0.0, 2.0, 2.0]]))
    return [Instances((8, 16), proposal_boxes=boxes) for _ in range(2)]


def loss_of(supervision, **logits):
    captions = logits.pop("captions", None)
    return weak_loss(LOGITS, None, captions, proposals(), supervision, PARAMS)


def cross_entropy(logits, label):
    """Binary cross entropy of one proposal against one label, summed over columns."""
    return softplus(logits).sum() - logits[label]


def test_each_image_counts_with_its_largest_proposal():
    loss, _ = loss_of(Supervision(AnnotationKind.IMAGE, [[0], [1]]))
    expected = (cross_entropy(LOGITS[0], 0) + cross_entropy(LOGITS[2], 1)) / 2
    torch.testing.assert_close(loss, 0.5 * expected)


def test_labels_are_columns_of_the_sampled_classes():
    sampled = SampledClasses(torch.zeros(3, 4), torch.tensor([2, 2, 2, 1, 0, 2]))
    loss, _ = loss_of(Supervision(AnnotationKind.IMAGE, [[4], [3]], sampled))
    same, _ = loss_of(Supervision(AnnotationKind.IMAGE, [[0], [1]]))
    torch.testing.assert_close(loss, same)


def test_statistics_come_with_the_loss_and_need_no_storage():
    _, statistics = loss_of(Supervision(AnnotationKind.IMAGE, [[], [1]]))
    assert statistics["stats_select_size"] == pytest.approx(32 / 128)
    assert statistics["stats_select_x"] == pytest.approx(4 / 16)
    assert statistics["stats_select_y"] == pytest.approx(2 / 8)
    assert statistics["stats_max_label_score"] == 3.0
    assert not any(value.requires_grad for value in statistics.values())


def test_images_without_labels_cost_nothing():
    loss, statistics = loss_of(Supervision(AnnotationKind.IMAGE, [[], []]))
    assert loss == 0
    assert set(statistics) == {"stats_l_image"}


@pytest.mark.parametrize(
    ("labels", "expected"), [(([0], [0]), 0), (([0], [0, 1]), 15), (([1, 0], [0]), 15)]
)
def test_every_label_of_every_image_counts(labels, expected):
    sure_of_the_first = torch.tensor([[30.0, -30.0, -30.0]]).repeat(4, 1)  # a wrong label costs 60
    supervision = Supervision(AnnotationKind.IMAGE, labels)
    loss, _ = weak_loss(sure_of_the_first, None, None, proposals(), supervision, PARAMS)
    torch.testing.assert_close(loss, torch.tensor(0.5 * expected))


@pytest.mark.parametrize(("across_processes", "weight"), [(True, 0.125), (False, 1.0)])
def test_captions_of_one_process_alone_count_fully(across_processes, weight):
    cfg = default_config()
    cfg.MODEL.SYNC_CAPTION_BATCH = across_processes
    assert WeakLossParams.from_config(cfg).negative_caption_weight == weight


def test_captions_are_matched_by_the_last_proposal_and_weigh_on_their_own():
    captions = torch.zeros(4, 2)
    captions[1], captions[3] = torch.tensor([5.0, -5.0]), torch.tensor([-5.0, 5.0])
    supervision = Supervision(
        AnnotationKind.CAPTION, [[], []], captions=BatchCaptions(torch.zeros(2, 4))
    )
    loss, statistics = loss_of(supervision, captions=captions)
    torch.testing.assert_close(statistics["stats_l_caption"], 2 * softplus(torch.tensor(-5.0)))
    torch.testing.assert_close(loss, 0.5 * 2.0 * statistics["stats_l_caption"])
