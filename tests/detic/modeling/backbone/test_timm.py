import pytest
import torch
from torch import nn

from detic.errors import InputError
from detic.modeling.backbone.timm import TimmBackbone
from detic.modeling.backbone.timm_models import ResNet50In21k, UnbiasedLayerNorm2d, create


@pytest.mark.parametrize("levels", [(3, 4, 5), (2, 5)])
def test_maps_have_the_announced_names_channels_and_strides(levels):
    model = TimmBackbone(base_name="resnet18", out_levels=levels).eval()
    maps = model(torch.zeros(1, 3, 64, 96))
    announced = model.output_shape()
    assert list(announced) == [f"layer{level}" for level in levels]
    assert {
        name: (1, shape.channels, 64 // shape.stride, 96 // shape.stride)
        for name, shape in announced.items()
    } == {name: tuple(x.shape) for name, x in maps.items()}
    assert model.size_divisibility == 32


def test_level_numbers_are_powers_of_the_stride():
    shapes = TimmBackbone(base_name="resnet18", out_levels=(1, 2, 5)).output_shape()
    assert [shape.stride for shape in shapes.values()] == [2, 4, 32]


@pytest.mark.parametrize(
    ("freeze_at", "frozen"), [(0, set()), (1, {"conv1"}), (2, {"conv1", "layer1"})]
)
def test_first_stages_can_be_frozen(freeze_at, frozen):
    model = TimmBackbone(base_name="resnet18", freeze_at=freeze_at)
    parameters = model.base.named_parameters()
    assert {name.split(".")[0] for name, p in parameters if not p.requires_grad} == frozen


def test_batch_normalisation_is_fixed_unless_it_is_to_stay():
    fixed = TimmBackbone(base_name="resnet18", norm="FrozenBN")
    kept = TimmBackbone(base_name="resnet18", norm="")
    counts = [sum(isinstance(m, nn.BatchNorm2d) for m in x.modules()) for x in (fixed, kept)]
    assert counts == [0, 20]
    assert not any("bn1" in name for name, _ in fixed.named_parameters())


def test_maps_of_the_21k_resnet_are_chosen_by_level():
    model = ResNet50In21k((5, 1)).eval()
    with torch.no_grad():
        coarse, fine = model(torch.zeros(1, 3, 32, 64))
    assert coarse.shape == (1, *(2048, 1, 2))
    assert fine.shape == (1, *(64, 8, 16))


def test_unbiased_norm_divides_by_one_less_than_the_channels():
    norm = UnbiasedLayerNorm2d(3, eps=0.0)
    x = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None]  # variance (1 + 0 + 1) / 2
    assert norm(x).flatten().tolist() == [-1, 0, 1]


def test_unbiased_norm_keeps_the_type():
    x = torch.randn(1, 4, 2, 2).bfloat16()
    assert UnbiasedLayerNorm2d(4).bfloat16()(x).dtype == torch.bfloat16


def test_released_convnext_has_unbiased_norms_between_its_stages():
    unbiased = {
        name: [n for n, m in create(name, (2, 3, 4))[0].named_modules() if is_unbiased(m)]
        for name in ("convnext_tiny_21k", "convnext_tiny.fb_in22k")
    }
    between = [f"stages_{stage}.downsample.0" for stage in (1, 2, 3)]
    assert unbiased == {"convnext_tiny_21k": between, "convnext_tiny.fb_in22k": []}


def is_unbiased(module):
    return isinstance(module, UnbiasedLayerNorm2d)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_name": "resnet19"}, r"unknown MODEL\.TIMM\.BASE_NAME 'resnet19'; timm knows"),
        ({"base_name": "qwerty_9"}, "no similar model"),
        ({"base_name": "resnet18", "norm": "GN"}, r"unknown MODEL\.TIMM\.NORM 'GN'"),
    ],
)
def test_wrong_names_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TimmBackbone(**options)


def test_the_21k_resnet_has_no_weights_in_timm():
    with pytest.raises(InputError, match=r"put the MIIL file into MODEL\.WEIGHTS"):
        TimmBackbone(base_name="resnet50_in21k").load_pretrained()
