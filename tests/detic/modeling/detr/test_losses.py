import math

import pytest
import torch

from detic.modeling.detr.losses import (
    CriterionParams,
    SetCriterion,
    box_losses,
    cardinality_error,
    class_error,
    focal_loss,
)
from detic.modeling.detr.matching import Matches, PairWeights, Targets
from detic.modeling.detr.transformer import Prediction
from tests.detic.modeling.detr.test_matching import random_set

PARAMS = CriterionParams(weights=PairWeights())


def one_query(logits, box):
    return Prediction(torch.tensor([[logits]]), torch.tensor([[box]]))


def test_focal_loss_by_hand():
    """Of p = 0.5: alpha x 0.25 x ln 2 for a target of 1, 1 - alpha for one of 0."""
    loss = focal_loss(torch.zeros(2), torch.tensor([1.0, 0.0]), alpha=0.1)
    torch.testing.assert_close(loss, torch.tensor((0.1 + 0.9) * 0.25 * math.log(2)))
    only = focal_loss(torch.zeros(1), torch.ones(1), alpha=0.1)
    torch.testing.assert_close(only, torch.tensor(0.1 * 0.25 * math.log(2)))


def test_confident_and_right_costs_nothing():
    loss = focal_loss(torch.tensor([20.0, -20.0]), torch.tensor([1.0, 0.0]), alpha=0.25)
    assert loss < 1e-12


def test_box_losses_by_hand():
    box = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    l1, giou = box_losses(box, torch.tensor([[0.5, 0.5, 0.2, 0.4]]))
    torch.testing.assert_close(l1, torch.tensor(0.2))
    torch.testing.assert_close(giou, torch.tensor(0.5))


def test_losses_of_one_query_and_object():
    box = [0.5, 0.5, 0.2, 0.2]
    targets = [Targets(torch.tensor([0]), torch.tensor([[0.5, 0.5, 0.2, 0.4]]))]
    losses = SetCriterion(PARAMS)([one_query([0.0, 0.0], box)], None, targets)
    # Two classes at p = 0.5, one of them the object's, weight 2
    expected = 2 * (0.25 + 0.75) * 0.25 * math.log(2)
    torch.testing.assert_close(losses["loss_ce"], torch.tensor(expected))
    torch.testing.assert_close(losses["loss_bbox"], torch.tensor(5 * 0.2))
    torch.testing.assert_close(losses["loss_giou"], torch.tensor(2 * 0.5))


def test_losses_are_divided_by_the_objects_or_by_a_given_number():
    prediction, targets = random_set(6, [3, 1])
    criterion = SetCriterion(PARAMS)
    of_four = criterion([prediction], None, targets)
    of_two = criterion([prediction], None, targets, torch.tensor([2.0]))
    for name in ("loss_ce", "loss_bbox", "loss_giou"):
        torch.testing.assert_close(of_two[name], 2 * of_four[name])


def test_without_objects_boxes_cost_nothing_and_classes_do():
    prediction, targets = random_set(6, [0, 0])
    losses = SetCriterion(PARAMS)([prediction], None, targets)
    assert losses["loss_bbox"] == losses["loss_giou"] == 0
    assert losses["loss_ce"] > 0
    assert losses["class_error"] == 100


def test_proposals_are_objects_of_the_first_class_and_are_not_weighted():
    prediction, targets = random_set(6, [2])
    losses = SetCriterion(PARAMS)([prediction], prediction, targets)
    objects = [Targets(torch.zeros_like(t.classes), t.boxes) for t in targets]
    of_layer = SetCriterion(PARAMS)([prediction], None, objects)
    torch.testing.assert_close(losses["loss_bbox_enc"] * 5, of_layer["loss_bbox"])
    torch.testing.assert_close(losses["loss_ce_enc"] * 2, of_layer["loss_ce"])


@pytest.mark.parametrize("every_layer", [True, False])
def test_losses_of_every_layer_have_its_number(every_layer):
    prediction, targets = random_set(6, [2])
    params = CriterionParams(weights=PairWeights(), every_layer=every_layer)
    losses = SetCriterion(params)([prediction] * 3, prediction, targets)
    suffixes = ["", "_0", "_1", "_enc"] if every_layer else ["", "_enc"]
    kinds = ("loss_ce", "loss_bbox", "loss_giou", "cardinality_error")
    assert set(losses) == {"class_error", *(k + s for k in kinds for s in suffixes)}


def test_federated_loss_counts_sampled_classes_only():
    """Class 3 occurs, class 1 is the only other one that may be drawn."""
    prediction, _ = random_set(5, [1])
    targets = [Targets(torch.tensor([3]), torch.full((1, 4), 0.5))]
    params = CriterionParams(weights=PairWeights(), num_sampled_classes=2)
    criterion = SetCriterion(params, frequencies=torch.tensor([0.0, 1.0, 0.0, 1.0]))
    for ignored in (0, 2):
        changed = prediction.class_logits.clone()
        changed[..., ignored] += 3
        losses = [
            criterion([Prediction(logits, prediction.boxes)], None, targets)["loss_ce"]
            for logits in (prediction.class_logits, changed)
        ]
        torch.testing.assert_close(*losses)
    kept = Prediction(prediction.class_logits[..., [1, 3]], prediction.boxes)
    renamed = [Targets(torch.tensor([1]), targets[0].boxes)]
    torch.testing.assert_close(losses[0], SetCriterion(params)([kept], None, renamed)["loss_ce"])


def test_errors_by_hand():
    logits = torch.tensor([[[0.0, 5.0, 1.0], [0.0, 1.0, 5.0], [5.0, 0.0, 1.0]]])
    prediction = Prediction(logits, torch.full((1, 3, 4), 0.5))
    targets = [Targets(torch.tensor([1, 1]), torch.full((2, 4), 0.5))]
    matches = Matches(torch.tensor([0, 0]), torch.tensor([0, 2]), torch.tensor([0, 1]))
    assert class_error(prediction, matches, targets) == 50  # the first query alone is right
    assert cardinality_error(prediction, targets) == 0  # two queries have no last class
