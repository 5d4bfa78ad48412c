"""Class scores and box refinements of one stage, with numbers that can be computed by hand."""

from dataclasses import replace

import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Boxes, Instances
from torch import nn
from torch.nn.functional import softplus

from detic.modeling.roi_heads.box_predictor import BoxLossParams, BoxPredictor
from detic.modeling.roi_heads.weak_loss import WeakLossParams
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import Supervision

BOX = [0.0, 0.0, 10.0, 10.0]
CLASSES, BACKGROUND = 3, 3


def predictor(frequencies=None, classifier=None, **params):
    return BoxPredictor(
        cls_score=classifier or nn.Linear(2, CLASSES + 1),
        bbox_pred=nn.Linear(2, 4),
        prop_score=None,
        box2box_transform=Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        class_frequencies=frequencies,
        box_loss=BoxLossParams(**params),
        weak_loss=WeakLossParams(),
    )


def matched(classes, gt_boxes):
    """Proposals of one image, all at BOX, with their classes and true boxes."""
    return [
        Instances(
            (20, 20),
            proposal_boxes=Boxes(torch.tensor([BOX] * len(classes))),
            gt_classes=torch.tensor(classes),
            gt_boxes=Boxes(torch.tensor(gt_boxes)),
        )
    ]


def losses(model, classes, deltas=None):
    deltas = torch.zeros(len(classes), 4) if deltas is None else deltas
    shifted = [[5.0, 0.0, 15.0, 10.0]] * len(classes)
    return model.losses(
        torch.ones(len(classes), 2), deltas, matched(classes, shifted), Supervision()
    )


def test_only_foreground_regresses_and_all_boxes_divide():
    found = losses(predictor(), [1, BACKGROUND, BACKGROUND, BACKGROUND])
    assert found["loss_box_reg"] == pytest.approx(0.5 / 4)  # dx = 5 / 10


def test_a_perfect_refinement_costs_nothing():
    right = torch.tensor([[0.5, 0.0, 0.0, 0.0]])
    for regression in ("smooth_l1", "giou"):
        found = losses(predictor(regression=regression), [0], right)
        assert found["loss_box_reg"] == pytest.approx(0, abs=1e-6)


def test_background_alone_costs_no_refinement():
    assert losses(predictor(), [BACKGROUND])["loss_box_reg"] == 0


def test_classes_without_training_images_cost_nothing():
    model = predictor(torch.tensor([4.0, 0.0, 2.0]), ignore_zero_cats=True)
    logits = model.cls_score(torch.ones(1, 2))[0]
    expected = softplus(-logits[0]) + softplus(logits[2])
    torch.testing.assert_close(losses(model, [0])["loss_cls"], expected)


def test_a_class_needs_more_than_a_trace_of_frequency():
    model = predictor(torch.tensor([4.0, 1e-4, 2.0]), ignore_zero_cats=True)
    logits = model.cls_score(torch.ones(1, 2))[0]
    expected = softplus(-logits[0]) + softplus(logits[2])
    torch.testing.assert_close(losses(model, [0])["loss_cls"], expected)


@pytest.mark.parametrize("present", [0, 1])
def test_a_class_counts_that_is_sampled_and_has_training_images(present):
    model = predictor(torch.tensor([4.0, 0.0, 2.0]), ignore_zero_cats=True, num_federated=1)
    logits = model.cls_score(torch.ones(1, 2))[0]
    expected = (softplus(-logits[0]), torch.tensor(0.0))[present]
    torch.testing.assert_close(losses(model, [present])["loss_cls"], expected)


def test_with_softmax_ignored_classes_exclude_the_federated_sample():
    model = predictor(torch.tensor([4.0, 0.0, 2.0]), ignore_zero_cats=True, use_sigmoid=False)
    ignoring = losses(model, [1, 0])["loss_cls"]
    model.box_loss_params = replace(model.box_loss_params, num_federated=1)
    torch.testing.assert_close(losses(model, [1, 0])["loss_cls"], ignoring)


def test_a_federated_sample_as_large_as_the_classes_is_the_whole_loss():
    torch.manual_seed(0)
    model = predictor(torch.ones(3), num_federated=3)
    logits = model.cls_score(torch.ones(1, 2))[0]
    expected = softplus(-logits[2]) + softplus(logits[:2]).sum()
    torch.testing.assert_close(losses(model, [2])["loss_cls"], expected)


def test_softmax_takes_the_background_as_a_class():
    model = predictor(use_sigmoid=False)
    logits = model.cls_score(torch.ones(1, 2))[0]
    expected = -logits.log_softmax(dim=0)[BACKGROUND]
    torch.testing.assert_close(losses(model, [BACKGROUND])["loss_cls"], expected)


@pytest.mark.parametrize("use_sigmoid", [True, False])
def test_probabilities_of_slices_are_those_of_all_classes(use_sigmoid):
    torch.manual_seed(0)
    classifier = ZeroShotClassifier(in_features=2, class_embeddings=torch.randn(CLASSES, 4))
    model = predictor(classifier=classifier, use_sigmoid=use_sigmoid)
    probs = model.stage_probs(torch.randn(5, 2), None)
    whole = probs(slice(0, CLASSES + 1))
    torch.testing.assert_close(torch.cat([probs(slice(0, 2)), probs(slice(2, 4))], 1), whole)
    assert use_sigmoid or torch.allclose(whole.sum(dim=1), torch.ones(5))


def test_refined_boxes_belong_to_their_images():
    images = [matched([0], [BOX])[0], matched([0, 1], [BOX, BOX])[0]]
    deltas = torch.tensor([[0.1, 0.0, 0.0, 0.0], [0.2, 0.0, 0.0, 0.0], [0.3, 0.0, 0.0, 0.0]])
    first, second = predictor().refine_boxes(deltas, images)
    assert first[:, 0].tolist() == pytest.approx([1.0])
    assert second[:, 0].tolist() == pytest.approx([2.0, 3.0])


def on_two_images(model, labelled=None, weights=None):
    """Return the losses of a box of class 0 in one image, and background in another."""
    shifted = [[5.0, 0.0, 15.0, 10.0]]
    proposals = matched([0], shifted) + matched([BACKGROUND], shifted)
    supervision = Supervision(labelled_classes=labelled)
    model.cls_score.weight.data.zero_()
    model.cls_score.bias.data.zero_()  # each class of each box costs the logarithm of 2
    return model.losses(
        *(torch.ones(2, 2), torch.zeros(2, 4), proposals, supervision),
        box_weights=None if weights is None else torch.tensor(weights),
    )


def test_classes_that_an_image_is_not_labelled_for_cost_nothing_there():
    labelled = torch.tensor([[True, True, True], [False, False, True]])
    costs = on_two_images(predictor(), labelled)["loss_cls"]
    torch.testing.assert_close(costs, (3 + 1) * softplus(torch.tensor(0.0)) / 2)


def test_classes_that_no_image_is_labelled_for_take_no_place_in_the_federated_sample():
    labelled = torch.tensor([[True, False, True]]).expand(2, 3)
    model = predictor(torch.tensor([1.0, 1e9, 1e-9]), num_federated=3)  # class 0, background, 2
    costs = on_two_images(model, labelled)["loss_cls"]
    torch.testing.assert_close(costs, 2 * 2 * softplus(torch.tensor(0.0)) / 2)


@pytest.mark.parametrize("regression", ["smooth_l1", "giou"])
def test_boxes_weigh_in_both_losses(regression):
    model = predictor(regression=regression)
    plain = on_two_images(model)
    same = on_two_images(model, weights=[1.0, 1.0])
    halved = on_two_images(model, weights=[0.5, 0.0])
    torch.testing.assert_close(same, plain)
    torch.testing.assert_close(halved["loss_cls"], plain["loss_cls"] / 4)
    torch.testing.assert_close(halved["loss_box_reg"], plain["loss_box_reg"] / 2)


def test_weights_without_foreground_cost_nothing():
    for regression in ("smooth_l1", "giou"):
        found = predictor(regression=regression).losses(
            *(torch.ones(1, 2), torch.zeros(1, 4), matched([BACKGROUND], [BOX]), Supervision()),
            box_weights=torch.ones(1),
        )
        assert found["loss_box_reg"] == 0
