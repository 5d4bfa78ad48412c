import math

import pytest
import torch
from torch.nn import functional as F

from detic.modeling.roi_heads.image_label_losses import (
    PROPOSAL_SELECTORS,
    caption_loss,
    selected_proposal_loss,
    weighted_proposal_loss,
)

LOGITS = torch.tensor(
    [[0.0, 1.0, 0.0, 0.0], [2.0, -1.0, 0.0, 0.0], [-4.0, 3.0, 0.0, 0.0]]
)  # three proposals, three classes and the background
AREAS = torch.tensor([10.0, 30.0, 99.0])
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("max_size", [1, 1]),  # the last proposal is left out
        ("max_score", [1, 2]),
        ("first", [0, 0]),
        ("image", [2, 2]),
        ("min_loss", [1, 2]),
    ],
)
def test_rule_chooses_a_proposal_per_label(rule, expected):
    assert PROPOSAL_SELECTORS[rule](LOGITS, AREAS, LABELS).tolist() == expected


def test_a_single_proposal_is_chosen_though_it_is_the_last():
    select = PROPOSAL_SELECTORS["max_size"]
    assert select(LOGITS[:1], AREAS[:1], LABELS).tolist() == [0, 0]


def test_min_loss_is_the_smallest_binary_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 5, generator=generator)
    label = torch.tensor([3])
    targets = F.one_hot(label, 5).float().expand(6, 5)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)
    chosen = PROPOSAL_SELECTORS["min_loss"](logits, torch.ones(6), label)
    assert chosen.item() == losses.argmin().item()


def loss_of(logits, labels, **kwargs):
    areas = [torch.arange(len(x), 0, -1).float() for x in logits]
    return selected_proposal_loss(logits, areas, labels, PROPOSAL_SELECTORS["max_size"], **kwargs)


def test_loss_sums_over_all_columns_and_averages_over_labels_and_images():
    # ln 2 for each of four columns; the second image has no labels.
    loss, chosen = loss_of(
        [torch.zeros(2, 4), torch.zeros(2, 4)], [torch.tensor([0, 1]), torch.tensor([]).long()]
    )
    torch.testing.assert_close(loss, torch.tensor(4 * math.log(2) / 2))
    assert [len(c) for c in chosen] == [2, 0]


def test_background_column_is_a_negative():
    logits = torch.tensor([[20.0, 0.0]])  # one class, sure of it; the background at one half
    loss, _ = loss_of([logits], [torch.tensor([0])])
    torch.testing.assert_close(loss, torch.tensor(math.log(2)))


def test_softmax_replaces_binary_cross_entropy():
    loss, _ = loss_of([torch.zeros(2, 4)], [torch.tensor([0])], use_softmax=True)
    torch.testing.assert_close(loss, torch.tensor(math.log(4)))


def test_images_without_proposals_keep_gradients():
    logits = torch.zeros(0, 4, requires_grad=True)
    loss, chosen = loss_of([logits], [torch.tensor([1])])
    loss.backward()
    assert loss == 0
    assert len(chosen[0]) == 0


def test_wsddn_shares_a_class_among_the_proposals():
    # Class probability 1/2 for both proposals, shares 3/4 and 1/4: the image's is 1/2.
    over_proposals = torch.tensor([[math.log(3.0)] * 3, [0.0] * 3])
    loss, chosen = weighted_proposal_loss(
        [torch.zeros(2, 3)], [over_proposals], [torch.tensor([1])]
    )
    torch.testing.assert_close(loss, torch.tensor(math.log(2)))
    assert chosen[0].tolist() == [0]


def test_wsddn_without_labels_is_zero():
    loss, _ = weighted_proposal_loss(
        [torch.zeros(2, 3)], [torch.zeros(2, 3)], [torch.tensor([]).long()]
    )
    assert loss == 0


def test_caption_loss_matches_the_last_box_with_its_own_caption():
    # Two images of a process whose captions start at row 1 of three.
    first = torch.tensor([[9.0, 9.0, 9.0], [-30.0, 30.0, -30.0]])
    second = torch.zeros(1, 3)
    loss = caption_loss([first, second], first_caption=1, negative_weight=0.5)
    ln2 = math.log(2)
    torch.testing.assert_close(loss, torch.tensor((0.0 + ln2 + 0.5 * 2 * ln2) / 2))


SURE = torch.tensor([[30.0, -30.0, -30.0]]).repeat(2, 1)  # of class 0, not of class 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[0], [0]], 0.0),
        ([[0], [0, 1]], 30.0 / 2),  # the last label of the last image costs 60
        ([[1, 0], [0]], 30.0 / 2),
        ([[0], [1]], 60.0 / 2),
    ],
)
def test_every_label_of_every_image_counts(labels, expected):
    loss, _ = loss_of([SURE, SURE], [torch.tensor(of_image) for of_image in labels])
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_wsddn_counts_every_label_of_every_image():
    # Of one proposal the class probabilities are 3/4, 1/2, 1/2; class 1 is labelled in the second.
    logits = torch.tensor([[math.log(3.0), 0.0, 0.0]])
    labels = [torch.tensor([0]), torch.tensor([0, 1])]
    loss, _ = weighted_proposal_loss([logits, logits], [torch.zeros(1, 3)] * 2, labels)
    right, wrong = ((math.log(p) + 2 * math.log(2)) / 3 for p in (4 / 3, 4))
    torch.testing.assert_close(loss, torch.tensor((right + (right + wrong) / 2) / 2))


def test_each_image_has_its_own_caption():
    sure = torch.tensor([[-30.0, 30.0, -30.0]]), torch.tensor([[-30.0, -30.0, 30.0]])
    right = caption_loss(sure, first_caption=1, negative_weight=1.0)
    torch.testing.assert_close(right, torch.tensor(0.0))
    swapped = caption_loss(sure[::-1], first_caption=1, negative_weight=1.0)
    torch.testing.assert_close(swapped, torch.tensor(60.0))
