import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_backbone

from centernet.fpn import LastLevelP6P7FromP5


def test_top_levels_halve_the_pyramid_output():
    block = LastLevelP6P7FromP5(4)
    p6, p7 = block(torch.randn(1, 4, 8, 6))
    assert p6.shape == (1, 4, 4, 3)
    assert p7.shape == (1, 4, 2, 2)


def test_p7_sees_rectified_p6():
    block = LastLevelP6P7FromP5(1)
    with torch.no_grad():
        block.p6.weight.zero_()
        block.p6.bias.fill_(-1.0)  # P6 is negative everywhere: rectified, nothing is left
        p6, p7 = block(torch.randn(1, 1, 4, 4))
    assert (p6 == -1).all()
    torch.testing.assert_close(p7, torch.zeros_like(p7) + block.p7.bias)


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("build_p67_resnet_fpn_backbone", {"p3": 8, "p4": 16, "p5": 32, "p6": 64, "p7": 128}),
        ("build_p35_resnet_fpn_backbone", {"p3": 8, "p4": 16, "p5": 32}),
    ],
)
def test_pyramids_on_detectron2_s_resnet(name, strides):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = name
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
    cfg.MODEL.FPN.OUT_CHANNELS = 8
    backbone = build_backbone(cfg)
    assert {k: shape.stride for k, shape in backbone.output_shape().items()} == strides
    maps = backbone(torch.zeros(1, 3, 128, 128))
    assert {k: 128 // m.shape[-1] for k, m in maps.items()} == strides
