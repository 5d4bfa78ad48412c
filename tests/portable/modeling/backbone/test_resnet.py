import pytest
import torch
import torchvision
from detectron2.config import get_cfg
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling.backbone import BasicStem, BottleneckBlock, ResNet, build_backbone
from torch import nn


def thin_cfg(**resnets):
    cfg = get_cfg()
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS = 8
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 16
    cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 4
    for key, value in resnets.items():
        cfg.MODEL.RESNETS[key] = value
    return cfg


def test_features_have_the_shapes_that_are_announced():
    names = ["stem", "res2", "res3", "res4", "res5"]
    backbone = build_backbone(thin_cfg(OUT_FEATURES=names))
    features = backbone(torch.randn(1, 3, 64, 96))
    assert list(features) == names
    for name, shape in backbone.output_shape().items():
        expected = (1, shape.channels, 64 // shape.stride, 96 // shape.stride)
        assert features[name].shape == expected
    assert [s.stride for s in backbone.output_shape().values()] == [4, 4, 8, 16, 32]


def test_default_c4_backbone_ends_at_res4():
    backbone = build_backbone(get_cfg())
    assert backbone.output_shape() == {"res4": ShapeSpec(channels=1024, stride=16)}
    assert not hasattr(backbone, "res5")


def test_state_dict_names():
    names = set(build_backbone(thin_cfg()).state_dict())
    norm = {"weight", "bias", "running_mean", "running_var"}
    for conv in ("stem.conv1", "res2.0.shortcut", "res2.0.conv1", "res4.5.conv3"):
        assert {f"{conv}.weight", *(f"{conv}.norm.{key}" for key in norm)} <= names
    # 1 stem, 3 + 4 + 6 blocks of 3 and 3 shortcuts, each a weight and four tensors of the norm.
    assert len(names) == 5 * (1 + 3 * 13 + 3)


@pytest.mark.parametrize(("stride_in_1x1", "strides"), [(True, (2, 1)), (False, (1, 2))])
def test_stride_of_a_bottleneck_is_in_one_convolution(stride_in_1x1, strides):
    block = BottleneckBlock(4, 8, bottleneck_channels=2, stride=2, stride_in_1x1=stride_in_1x1)
    assert (block.conv1.stride[0], block.conv2.stride[0]) == strides
    assert block(torch.randn(1, 4, 8, 8)).shape == (1, 8, 4, 4)


def test_dilated_res5_keeps_the_resolution():
    cfg = thin_cfg(OUT_FEATURES=["res5"], RES5_DILATION=2)
    backbone = build_backbone(cfg)
    assert backbone.output_shape()["res5"].stride == 16
    assert backbone.res5[1].conv2.dilation == (2, 2)
    assert backbone(torch.randn(1, 3, 64, 64))["res5"].shape[-2:] == (4, 4)


def test_freeze_fixes_parameters_and_statistics_of_the_first_stages():
    cfg = thin_cfg(NORM="BN")
    cfg.MODEL.BACKBONE.FREEZE_AT = 2
    backbone = build_backbone(cfg)
    frozen = [name for name, p in backbone.named_parameters() if not p.requires_grad]
    assert {name.split(".")[0] for name in frozen} == {"stem", "res2"}
    assert isinstance(backbone.res2[0].conv1.norm, FrozenBatchNorm2d)
    assert isinstance(backbone.res3[0].conv1.norm, nn.BatchNorm2d)


def test_block_with_zero_residual_passes_positive_input_through():
    block = BottleneckBlock(4, 4, bottleneck_channels=2, norm="")
    nn.init.zeros_(block.conv3.weight)
    x = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(block(x), x)


def test_make_stage_distributes_arguments_per_block():
    blocks = ResNet.make_stage(
        BottleneckBlock,
        3,
        in_channels=2,
        out_channels=4,
        stride_per_block=[2, 1, 1],
        bottleneck_channels=2,
    )
    shapes = [(b.in_channels, b.out_channels, b.stride) for b in blocks]
    assert shapes == [(2, 4, 2), (4, 4, 1), (4, 4, 1)]


def test_unknown_feature_is_refused():
    block = BottleneckBlock(4, 4, bottleneck_channels=2)
    with pytest.raises(ValueError, match=r"unknown ResNet features \['res9'\]; choose from"):
        ResNet(BasicStem(3, 4), [[block]], out_features=["res9"])


@pytest.mark.parametrize(("key", "value"), [("DEPTH", 20), ("DEFORM_ON_PER_STAGE", [True] * 4)])
def test_unsupported_config_is_refused(key, value):
    with pytest.raises(ValueError, match="here the depth is one of"):
        build_backbone(thin_cfg(**{key: value}))


def test_resnet18_is_made_of_basic_blocks():
    names = {name for name, _ in torchvision.models.resnet18().named_parameters()}
    cfg = thin_cfg(DEPTH=18, RES2_OUT_CHANNELS=64, OUT_FEATURES=["res2", "res5"])
    features = build_backbone(cfg)(torch.randn(1, 3, 64, 64))
    assert {name: f.shape[1:] for name, f in features.items()} == {
        "res2": (64, 16, 16),
        "res5": (512, 2, 2),
    }
    assert sum(name.endswith("conv2.weight") for name in names) == 8
    convolutions = [
        name for name in build_backbone(cfg).state_dict() if name.endswith("conv2.weight")
    ]
    assert len(convolutions) == 8
    with pytest.raises(ValueError, match=r"RES2_OUT_CHANNELS is 16, but ResNet-18 needs 64"):
        build_backbone(thin_cfg(DEPTH=18))


@pytest.mark.parametrize(("depth", "channels"), [(18, 512), (50, 2048)])
def test_default_stages_make_a_classifier(depth, channels):
    stages = ResNet.make_default_stages(depth, norm="BN")
    resnet = ResNet(BasicStem(3, 64), stages, num_classes=5)
    assert resnet(torch.randn(2, 3, 64, 64))["linear"].shape == (2, 5)
    assert resnet.linear.in_features == channels
    assert resnet.stages[-1] is resnet.res5
