import math

import pytest
import torch

from centernet.losses import BOX_LOSSES, FocalParams, giou_loss, heatmap_focal_loss

PLAIN = FocalParams(alpha=-1, beta=4, gamma=2)


def test_positive_loss_by_hand():
    logits = torch.zeros(1, 1)  # probability one half
    pos, _ = heatmap_focal_loss(
        logits, torch.ones(1, 1), torch.tensor([0]), torch.tensor([0]), PLAIN
    )
    torch.testing.assert_close(pos, torch.tensor(math.log(2) / 4))


def test_negative_loss_fades_near_objects():
    logits = torch.zeros(2, 1)
    targets = torch.tensor([[0.0], [0.5]])
    none = torch.zeros(0, dtype=torch.int64)
    _, neg = heatmap_focal_loss(logits, targets, none, none, PLAIN)
    torch.testing.assert_close(neg, torch.tensor(math.log(2) / 4 * (1 + 0.5**4)))


def test_alpha_weighs_positives_and_negatives():
    logits, targets = torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])
    args = (logits, targets, torch.tensor([0]), torch.tensor([0]))
    pos, neg = heatmap_focal_loss(*args, PLAIN)
    weighted = heatmap_focal_loss(*args, FocalParams(alpha=0.25))
    torch.testing.assert_close(torch.stack(weighted), torch.stack([0.25 * pos, 0.75 * neg]))


def test_confident_negatives_can_be_ignored():
    logits = torch.tensor([[0.0], [3.0]])  # 0.5 and 0.95
    none = torch.zeros(0, dtype=torch.int64)
    _, neg = heatmap_focal_loss(
        logits, torch.zeros(2, 1), none, none, FocalParams(ignore_high_fp=0.85)
    )
    torch.testing.assert_close(neg, torch.tensor(math.log(2) / 4))


def test_excluded_cells_are_no_negatives_and_may_be_positives():
    logits, targets = torch.zeros(2, 1), torch.zeros(2, 1)
    inds = torch.tensor([0])
    excluded = torch.tensor([True, False])
    for params in (PLAIN, FocalParams(beta=0.0)):  # 0 to the power of 0 is 1
        pos, neg = heatmap_focal_loss(logits, targets, inds, inds * 0, params, excluded)
        torch.testing.assert_close(pos, torch.tensor(math.log(2) / 4))
        torch.testing.assert_close(neg, torch.tensor(math.log(2) / 4))


def test_listed_positive_counts_as_often_as_listed():
    logits, targets = torch.zeros(1, 1), torch.ones(1, 1)
    twice = torch.tensor([0, 0])
    pos, _ = heatmap_focal_loss(logits, targets, twice, twice, PLAIN)
    torch.testing.assert_close(pos, torch.tensor(2 * math.log(2) / 4))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # Boxes of 2x2 and 4x2 strides, intersection 4, union 8, enclosed in 8.
        ("iou", -math.log(5 / 9)),
        ("linear_iou", 1 - 5 / 9),
        ("giou", 1 - 5 / 9),
    ],
)
def test_box_loss_by_hand(kind, expected):
    pred = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    target = torch.tensor([[1.0, 1.0, 3.0, 1.0]])
    torch.testing.assert_close(BOX_LOSSES[kind](pred, target), torch.tensor([expected]))


def test_giou_counts_the_gap_between_boxes():
    pred = torch.tensor([[2.0, 0.0, 0.0, 1.0]])  # 2x1 left of the point
    target = torch.tensor([[0.0, 0.0, 2.0, 1.0]])  # 2x1 right of it: enclosing 4x1, union 4
    torch.testing.assert_close(giou_loss(pred, target), torch.tensor([1 - 1 / 5]))


def test_gradient_pulls_positives_up_and_negatives_down():
    logits = torch.zeros(3, 2, requires_grad=True)
    targets = torch.zeros(3, 2)
    targets[1, 0] = 1
    pos, neg = heatmap_focal_loss(
        logits, targets, torch.tensor([1]), torch.tensor([0]), FocalParams(alpha=0.25)
    )
    (pos + neg).backward()
    assert logits.grad[1, 0] < 0
    assert (logits.grad[[0, 2]] > 0).all()


def test_alpha_of_zero_weighs_while_a_negative_one_does_not():
    logits, targets = torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])
    args = (logits, targets, torch.tensor([0]), torch.tensor([0]))
    plain = heatmap_focal_loss(*args, PLAIN)
    pos, neg = heatmap_focal_loss(*args, FocalParams(alpha=0.0))
    assert (pos, neg) == (0, plain[1])


def test_no_negative_is_ignored_unless_asked_for():
    none = torch.zeros(0, dtype=torch.int64)
    args = (torch.tensor([[3.0]]), torch.zeros(1, 1), none, none)
    for off in (0.0, -1.0):
        _, neg = heatmap_focal_loss(*args, FocalParams(ignore_high_fp=off))
        assert neg > 0


@pytest.mark.parametrize("logit", [50.0, -50.0])
def test_certain_and_wrong_costs_no_more_than_the_clamp_allows(logit):
    params = FocalParams(alpha=-1.0, gamma=0.0, sigmoid_clamp=0.01)
    cell = torch.tensor([0])
    wrong = heatmap_focal_loss(torch.tensor([[logit]]), torch.zeros(1, 1), cell, cell, params)
    torch.testing.assert_close(max(wrong), torch.tensor(-math.log(0.01)))


def test_negatives_as_hot_as_the_limit_are_ignored_too():
    none = torch.zeros(0, dtype=torch.int64)
    args = (torch.zeros(1, 1), torch.zeros(1, 1), none, none)  # heat 0.5
    losses = [heatmap_focal_loss(*args, FocalParams(ignore_high_fp=p))[1] for p in (0.5, 0.51)]
    assert losses[0] == 0 < losses[1]
