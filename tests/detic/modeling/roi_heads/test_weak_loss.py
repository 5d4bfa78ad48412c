"""Image labels and captions of a batch become one loss."""

import pytest
import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from detic.annotation import AnnotationKind
from detic.modeling.roi_heads.weak_loss import WeakLossParams, weak_loss
from detic.modeling.supervision import BatchVocabulary, Supervision
from detic.recipes import default_config

# Two images of two proposals, sure of class 0: a wrong label costs 60.
LOGITS = torch.tensor([[30.0, -30.0, -30.0]]).repeat(4, 1)
PROPOSALS = [Instances((8, 8), proposal_boxes=Boxes(torch.tensor([[0.0, 0.0, 4.0, 4.0]] * 2)))] * 2


def loss_of(kind, labels=((), ()), captions=None, **params):
    supervision = Supervision(kind, labels, BatchVocabulary(captions=captions))
    with EventStorage():
        return weak_loss(LOGITS, None, captions, PROPOSALS, supervision, WeakLossParams(**params))


@pytest.mark.parametrize(
    ("labels", "expected"), [(([0], [0]), 0), (([0], [0, 1]), 15), (([1, 0], [0]), 15)]
)
def test_every_label_of_every_image_counts_with_the_weight(labels, expected):
    loss = loss_of(AnnotationKind.IMAGE, labels, weight=0.5)
    torch.testing.assert_close(loss, torch.tensor(0.5 * expected))


def test_captions_have_a_weight_beside_labels():
    captions = LOGITS[:, :2]  # both images are sure of the first caption
    labels_alone = loss_of(AnnotationKind.IMAGE, ([1], [0]), weight=1.0)
    both = loss_of(
        AnnotationKind.CAPTION_AND_TAGS, ([1], [0]), captions, weight=1.0, caption_weight=0.25
    )
    torch.testing.assert_close(labels_alone, torch.tensor(30.0))
    torch.testing.assert_close(both, torch.tensor(30.0 + 0.25 * 60 / 2))


@pytest.mark.parametrize(("across_processes", "weight"), [(True, 0.125), (False, 1.0)])
def test_captions_of_one_process_alone_count_fully(across_processes, weight):
    cfg = default_config()
    cfg.MODEL.SYNC_CAPTION_BATCH = across_processes
    assert WeakLossParams.from_config(cfg).negative_caption_weight == weight
