import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import MaskRCNNConvUpsampleHead, build_mask_head
from detectron2.modeling.roi_heads.mask_head import mask_rcnn_inference, mask_rcnn_loss
from detectron2.structures import Boxes, Instances, PolygonMasks

BOX = [0.0, 0.0, 8.0, 8.0]
LEFT_HALF = [0.0, 0.0, 4.0, 0.0, 4.0, 8.0, 0.0, 8.0]


def region(gt_class: int) -> Instances:
    """One region whose object fills its left half."""
    return Instances(
        (8, 8),
        proposal_boxes=Boxes(torch.tensor([BOX])),
        gt_classes=torch.tensor([gt_class]),
        gt_masks=PolygonMasks([[LEFT_HALF]]),
    )


def half_logits(value: float) -> torch.Tensor:
    """Mask logits (4, 4): `value` in the left half, -value in the right one."""
    return torch.cat([torch.full((4, 2), value), torch.full((4, 2), -value)], dim=1)


def test_loss_is_the_mean_over_pixels():
    loss = mask_rcnn_loss(half_logits(0.2)[None, None], [region(0)])
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-0.2)))


def test_only_the_mask_of_the_object_class_learns():
    logits = torch.zeros(2, 3, 4, 4)
    logits[0, 2], logits[1, 1] = half_logits(50.0), half_logits(50.0)
    logits.requires_grad_()
    loss = mask_rcnn_loss(logits, [region(2), region(1)])
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert float(logits.grad[0, :2].abs().sum() + logits.grad[1, [0, 2]].abs().sum()) == 0


def test_loss_without_regions_is_0_and_keeps_gradients():
    logits = torch.zeros(0, 1, 4, 4, requires_grad=True)
    loss = mask_rcnn_loss(logits, [region(0)[torch.zeros(0, dtype=torch.int64)]])
    loss.backward()
    assert float(loss.detach()) == 0


def test_inference_takes_the_mask_of_the_predicted_class():
    logits = torch.stack([torch.full((4, 4), float(k)) for k in range(3)])[None].repeat(2, 1, 1, 1)
    detections = [
        Instances((8, 8), pred_classes=torch.tensor([2])),
        Instances((8, 8), pred_classes=torch.tensor([0])),
    ]
    mask_rcnn_inference(logits, detections)
    assert detections[0].pred_masks.shape == (1, 1, 4, 4)
    assert float(detections[0].pred_masks.mean()) == pytest.approx(1 / (1 + math.exp(-2)))
    assert float(detections[1].pred_masks.mean()) == pytest.approx(0.5)


def test_head_doubles_the_resolution_and_names_its_layers():
    head = MaskRCNNConvUpsampleHead(ShapeSpec(channels=4), num_classes=2, conv_dims=[6, 6, 5])
    detections = Instances((8, 8), pred_classes=torch.tensor([0, 1, 1]))
    head.eval()(torch.randn(3, 4, 7, 7), [detections])
    assert detections.pred_masks.shape == (3, 1, 14, 14)
    names = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in head.state_dict()))
    assert names == ["mask_fcn1", "mask_fcn2", "deconv", "predictor"]


def test_loss_weight_scales_the_loss():
    torch.manual_seed(0)
    head = MaskRCNNConvUpsampleHead(ShapeSpec(channels=4), num_classes=1, conv_dims=[4])
    x = torch.randn(1, 4, 2, 2)
    plain = head(x, [region(0)])["loss_mask"]
    head.loss_weight = 3.0
    torch.testing.assert_close(head(x, [region(0)])["loss_mask"], 3 * plain)


@pytest.mark.parametrize(("agnostic", "channels"), [(True, 1), (False, 80)])
def test_built_from_config(agnostic, channels):
    cfg = get_cfg()
    cfg.MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = agnostic
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 2
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 6
    head = build_mask_head(cfg, ShapeSpec(channels=4, height=7, width=7))
    assert head.predictor.weight.shape == (channels, 6, 1, 1)
    assert head.mask_fcn2.weight.shape == (6, 6, 3, 3)
