import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.roi_heads import FastRCNNOutputLayers
from detectron2.structures import Boxes, Instances

pytestmark = pytest.mark.usefixtures("storage")

NUM_CLASSES = 3
TRANSFORM = Box2BoxTransform((1.0, 1.0, 1.0, 1.0))
BOX, MOVED = [0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0]


def make_layers(**kwargs) -> FastRCNNOutputLayers:
    return FastRCNNOutputLayers(4, box2box_transform=TRANSFORM, num_classes=NUM_CLASSES, **kwargs)


def regions(gt_classes: list[int], **fields) -> Instances:
    """Regions that have to move right by half their width."""
    count = len(gt_classes)
    return Instances(
        (20, 20),
        proposal_boxes=Boxes(torch.tensor([BOX] * count).reshape(-1, 4)),
        gt_boxes=Boxes(torch.tensor([MOVED] * count).reshape(-1, 4)),
        gt_classes=torch.tensor(gt_classes, dtype=torch.int64),
        **fields,
    )


def zero_predictions(count: int, num_boxes: int = 1):
    return torch.zeros(count, NUM_CLASSES + 1), torch.zeros(count, 4 * num_boxes)


@pytest.mark.parametrize(("agnostic", "num_boxes"), [(True, 1), (False, NUM_CLASSES)])
def test_output_widths(agnostic, num_boxes):
    logits, deltas = make_layers(cls_agnostic_bbox_reg=agnostic)(torch.randn(2, 4, 1, 1))
    assert logits.shape == (2, NUM_CLASSES + 1)
    assert deltas.shape == (2, 4 * num_boxes)


def test_softmax_loss_and_box_loss_by_hand():
    """Of 4 regions 2 are foreground with |dx| 0.5; the sum is divided by all 4."""
    layers = make_layers(cls_agnostic_bbox_reg=True)
    losses = layers.losses(zero_predictions(4), [regions([0, NUM_CLASSES]), regions([2, 3])])
    assert float(losses["loss_cls"]) == pytest.approx(math.log(4))
    assert float(losses["loss_box_reg"]) == pytest.approx(2 * 0.5 / 4)


def test_background_column_has_no_part_in_the_sigmoid_loss():
    layers, gt_classes = make_layers(use_sigmoid_ce=True), torch.tensor([NUM_CLASSES])
    plain = layers.sigmoid_cross_entropy_loss(torch.zeros(1, NUM_CLASSES + 1), gt_classes)
    logits = torch.tensor([[0.0, 0.0, 0.0, 100.0]])
    torch.testing.assert_close(layers.sigmoid_cross_entropy_loss(logits, gt_classes), plain)


def test_sigmoid_loss():
    layers = make_layers(use_sigmoid_ce=True, cls_agnostic_bbox_reg=True)
    losses = layers.losses(zero_predictions(2), [regions([0, 3])])
    assert float(losses["loss_cls"]) == pytest.approx(NUM_CLASSES * math.log(2))


def test_box_loss_reads_the_deltas_of_the_object_class():
    layers = make_layers()
    logits, deltas = zero_predictions(1, NUM_CLASSES)
    deltas[0, 4 * 1] = 0.5  # dx of class 1
    assert float(layers.losses((logits, deltas), [regions([1])])["loss_box_reg"]) == 0
    assert float(layers.losses((logits, deltas), [regions([2])])["loss_box_reg"]) == 0.5


def test_loss_weights_by_name():
    layers = make_layers(cls_agnostic_bbox_reg=True, loss_weight={"loss_box_reg": 3.0})
    losses = layers.losses(zero_predictions(1), [regions([0])])
    assert float(losses["loss_box_reg"]) == pytest.approx(1.5)
    assert float(losses["loss_cls"]) == pytest.approx(math.log(4))


def test_image_without_objects_has_no_gt_boxes():
    background = regions([NUM_CLASSES])
    background.remove("gt_boxes")
    losses = make_layers(cls_agnostic_bbox_reg=True).losses(zero_predictions(1), [background])
    assert float(losses["loss_box_reg"]) == 0


@pytest.mark.parametrize("use_sigmoid_ce", [False, True])
def test_empty_batch_has_zero_losses(use_sigmoid_ce):
    layers = make_layers(cls_agnostic_bbox_reg=True, use_sigmoid_ce=use_sigmoid_ce)
    losses = layers.losses(layers(torch.zeros(0, 4)), [regions([])])
    assert {name: float(loss.detach()) for name, loss in losses.items()} == {
        "loss_cls": 0.0,
        "loss_box_reg": 0.0,
    }


def test_boxes_and_probabilities_are_split_by_image():
    layers = make_layers(cls_agnostic_bbox_reg=True)
    logits, deltas = zero_predictions(3)
    deltas[2, 0] = 0.5
    proposals = [regions([0]), regions([0, 0])]
    first, second = layers.predict_boxes((logits, deltas), proposals)
    assert first.tolist() == [BOX]
    assert second.tolist() == [BOX, MOVED]
    probs = layers.predict_probs((logits, deltas), proposals)
    assert [p.tolist() for p in probs] == [[[0.25] * 4], [[0.25] * 4] * 2]
    layers.use_sigmoid_ce = True
    assert layers.predict_probs((logits, deltas), proposals)[0].tolist() == [[0.5] * 4]


def test_inference_uses_the_test_settings():
    layers = make_layers(
        cls_agnostic_bbox_reg=True,
        test_score_thresh=0.2,
        test_nms_thresh=0.5,
        test_topk_per_image=2,
    )
    (detections,), _ = layers.inference(zero_predictions(2), [regions([0, 0])])
    assert len(detections) == 2  # three classes above the threshold, copies suppressed, two kept
    layers.test_score_thresh = 0.3
    assert len(layers.inference(zero_predictions(2), [regions([0, 0])])[0][0]) == 0


def test_built_from_config_with_an_override():
    cfg = get_cfg()
    cfg.MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE = True
    cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT = 2.0
    layers = FastRCNNOutputLayers(cfg, ShapeSpec(channels=4), box2box_transform=TRANSFORM)
    assert layers.box2box_transform is TRANSFORM
    assert layers.num_classes == 80
    assert layers.use_sigmoid_ce
    assert layers.loss_weight == {"loss_box_reg": 2.0}
    assert (layers.test_score_thresh, layers.test_nms_thresh) == (0.05, 0.5)
    assert layers.test_topk_per_image == 100


def test_federated_sample_has_the_present_classes_and_likely_others():
    layers = make_layers()
    sample = layers.get_fed_loss_classes(torch.tensor([3, 1, 1]), 3, NUM_CLASSES, None)
    assert sample[:2].tolist() == [1, 3]  # with the background
    assert sample[2] in (0, 2)
    weight = torch.tensor([1.0, 1.0, 0.0])
    sample = layers.get_fed_loss_classes(torch.tensor([3, 1]), 50, NUM_CLASSES, weight)
    assert sample.tolist() == [1, 3, 0]


def test_federated_loss_leaves_out_classes_outside_the_sample():
    weights = torch.tensor([1.0, 0.0, 0.0])
    layers = make_layers(
        cls_agnostic_bbox_reg=True,
        use_fed_loss=True,
        use_sigmoid_ce=True,
        get_fed_loss_cls_weights=lambda: weights,
        fed_loss_num_classes=2,
    )
    losses = layers.losses(zero_predictions(1), [regions([1])])
    assert float(losses["loss_cls"]) == pytest.approx(2 * math.log(2))  # classes 1 and 0


def test_federated_loss_needs_sigmoids():
    with pytest.raises(ValueError, match=r"USE_FED_LOSS needs .*USE_SIGMOID_CE True"):
        make_layers(use_fed_loss=True)


def test_boxes_for_the_classes_of_the_ground_truth():
    deltas = torch.zeros(2, 4 * NUM_CLASSES)
    deltas[:, 4 * 1] = 0.5  # class 1 moves by half a width
    proposals = [regions([1, NUM_CLASSES])]
    (boxes,) = make_layers().predict_boxes_for_gt_classes((None, deltas), proposals)
    assert boxes.tolist() == [MOVED, BOX]


def test_accuracies_are_recorded(storage):
    logits = torch.eye(NUM_CLASSES + 1)[[0, 3, 3, 1]]
    layers = make_layers(cls_agnostic_bbox_reg=True)
    layers.losses((logits, torch.zeros(4, 4)), [regions([0, 1, 3, 3])])
    latest = {name: value for name, (value, _) in storage.latest().items()}
    assert latest == {
        "fast_rcnn/cls_accuracy": 0.5,
        "fast_rcnn/fg_cls_accuracy": 0.5,
        "fast_rcnn/false_negative": 0.5,
    }
