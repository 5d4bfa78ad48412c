import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone import FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from torch import nn

CHANNELS = {"c3": 2, "c4": 4, "c5": 8}
STRIDES = {"c3": 8, "c4": 16, "c5": 32}


class ConstantFeatures(Backbone):
    """Feature maps of ones."""

    def output_shape(self):
        return {name: ShapeSpec(channels=CHANNELS[name], stride=STRIDES[name]) for name in STRIDES}

    def forward(self, x):
        batch, _, height, width = x.shape
        return {
            name: torch.ones(batch, CHANNELS[name], height // stride, width // stride)
            for name, stride in STRIDES.items()
        }


class EverySecondPixel(nn.Module):
    """Two coarser levels without weights."""

    num_levels = 2

    def __init__(self, in_feature):
        super().__init__()
        self.in_feature = in_feature

    def forward(self, x):
        return [x[..., ::2, ::2], x[..., ::4, ::4]]


def make_fpn(**kwargs) -> FPN:
    torch.manual_seed(0)
    return FPN(ConstantFeatures(), ["c3", "c4", "c5"], 6, **kwargs)


def test_pyramid_has_the_strides_of_its_names():
    fpn = make_fpn(top_block=EverySecondPixel("p5"))
    features = fpn(torch.zeros(2, 3, 128, 256))
    assert list(features) == ["p3", "p4", "p5", "p6", "p7"]
    for name, shape in fpn.output_shape().items():
        assert shape == ShapeSpec(channels=6, stride=2 ** int(name[1]))
        assert features[name].shape == (2, 6, 128 // shape.stride, 256 // shape.stride)
    assert fpn.size_divisibility == 32


def test_state_dict_names_and_order():
    names = list(make_fpn().state_dict())
    layers = [f"fpn_{kind}{level}" for level in (3, 4, 5) for kind in ("lateral", "output")]
    assert names == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_levels_are_sums_of_laterals_from_above():
    """With identity outputs and laterals of value 1, level k counts the laterals above it."""
    fpn = make_fpn()
    for level, channels in zip((3, 4, 5), CHANNELS.values(), strict=True):
        lateral, output = getattr(fpn, f"fpn_lateral{level}"), getattr(fpn, f"fpn_output{level}")
        nn.init.constant_(lateral.weight, 1 / channels)
        nn.init.dirac_(output.weight)
    features = fpn(torch.zeros(1, 3, 64, 64))
    assert [float(features[p].detach().mean()) for p in ("p3", "p4", "p5")] == pytest.approx(
        [3, 2, 1]
    )


def test_average_fusion_halves_each_sum():
    total, mean = make_fpn(), make_fpn(fuse_type="avg")
    image = torch.zeros(1, 3, 64, 64)
    torch.testing.assert_close(total(image)["p5"], mean(image)["p5"])
    torch.testing.assert_close(total(image)["p4"], 2 * mean(image)["p4"])


def test_convolutions_have_a_bias_only_without_norm():
    assert make_fpn().fpn_lateral3.bias is not None
    normed = make_fpn(norm="BN")
    assert normed.fpn_lateral3.bias is None
    assert isinstance(normed.fpn_output3.norm, nn.BatchNorm2d)


def test_top_block_may_read_a_bottom_up_feature():
    features = make_fpn(top_block=EverySecondPixel("c5"))(torch.zeros(1, 3, 128, 128))
    assert torch.equal(features["p6"], torch.ones(1, 8, 2, 2))


def test_max_pool_takes_every_second_pixel():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert LastLevelMaxPool()(x)[0].flatten().tolist() == [0, 2, 8, 10]


def test_unknown_fuse_type_is_refused():
    with pytest.raises(ValueError, match="unknown FPN fuse type 'max'; choose sum or avg"):
        make_fpn(fuse_type="max")


def test_strides_must_double():
    with pytest.raises(ValueError, match=r"double from level to level, got \[8, 32\]"):
        FPN(ConstantFeatures(), ["c3", "c5"], 6)


def test_two_levels_can_be_made_of_a_coarse_feature():
    top_block = LastLevelP6P7(8, 8, "c5")
    features = make_fpn(top_block=top_block)(torch.zeros(1, 3, 128, 128))
    assert features["p6"].shape == (1, 8, 2, 2)
    assert features["p7"].shape == (1, 8, 1, 1)


def test_inputs_can_be_padded_to_a_square():
    assert make_fpn(square_pad=96).padding_constraints == {"square_size": 96}
    assert make_fpn().padding_constraints == {"square_size": 0}
