import pytest
import torch
from torch import nn

from detic.errors import InputError
from detic.modeling.backbone.depth import depths
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
    ("freeze_at", "frozen"),
    [(0, set()), (1, {"conv1"}), (2, {"conv1", "layer1"}), (3, {"conv1", "layer1", "layer2"})],
)
def test_first_stages_can_be_frozen(freeze_at, frozen):
    model = TimmBackbone(base_name="resnet18", freeze_at=freeze_at)
    parameters = model.base.named_parameters()
    assert {name.split(".")[0] for name, p in parameters if not p.requires_grad} == frozen


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("convnext_atto", {"stem_0", "stem_1", "stages_0"}),
        ("mobilenetv4_conv_small_035", {"conv_stem", "blocks.0"}),
        ("test_vit", {"vit.cls_token", "vit.pos_embed", "vit.patch_embed", "vit.blocks.0"}),
    ],
)
def test_stages_of_every_family_can_be_frozen(name, frozen):
    model = TimmBackbone(base_name=name, out_levels=(3, 4), freeze_at=2)
    names = [n for n, p in model.base.named_parameters() if not p.requires_grad]
    assert {part for n in names for part in frozen if n.startswith(part)} == frozen
    assert all(n.startswith(tuple(frozen)) for n in names)
    assert any(p.requires_grad for p in model.base.parameters())


FAMILIES = {
    "convnextv2_atto": (2, 3, 4),
    "efficientnet_lite0": (3, 4, 5),
    "mobilenetv4_conv_small_035": (3, 4, 5),
    "regnetx_002": (3, 4, 5),
    "test_vit": (3, 4, 5),
    "test_vit3": (3, 4, 5),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families_have_maps_of_strides_8_16_and_32(name):
    model = TimmBackbone(base_name=name, out_levels=FAMILIES[name]).eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, 64, 96))
    channels = [shape.channels for shape in model.output_shape().values()]
    sides = [(8, 12), (4, 6), (2, 3)]
    assert [tuple(x.shape) for x in maps.values()] == [
        (1, c, *side) for c, side in zip(channels, sides, strict=True)
    ]


def test_fixed_norms_keep_their_activations():
    torch.manual_seed(0)
    fixed, kept = (
        TimmBackbone(base_name="mobilenetv4_conv_small_035", norm=norm).eval()
        for norm in ("FrozenBN", "")
    )
    fixed.base.load_state_dict(kept.base.state_dict(), strict=False)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(fixed(images), kept(images))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fixed.modules())


def test_pixel_statistics_follow_the_order_of_the_channels():
    model = TimmBackbone(base_name="resnet18")
    mean, std = model.pixel_statistics("RGB")
    assert mean == pytest.approx([123.675, 116.28, 103.53])
    assert std == pytest.approx([58.395, 57.12, 57.375])
    assert model.pixel_statistics("BGR") == (mean[::-1], std[::-1])
    vit_mean, _ = TimmBackbone(base_name="test_vit").pixel_statistics("RGB")
    assert vit_mean == [127.5] * 3


def test_batch_normalisation_is_fixed_unless_it_is_to_stay():
    fixed = TimmBackbone(base_name="resnet18", norm="FrozenBN")
    kept = TimmBackbone(base_name="resnet18", norm="")
    counts = [sum(isinstance(m, nn.BatchNorm2d) for m in x.modules()) for x in (fixed, kept)]
    assert counts == [0, 20]
    assert not any("bn1" in name for name, _ in fixed.named_parameters())


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv4_conv_small_035"])
def test_norms_of_frozen_stages_are_fixed_though_others_are_to_stay(name):
    model = TimmBackbone(base_name=name, norm="", freeze_at=2).train()
    before = {n: t.clone() for n, t in model.base.state_dict().items()}
    with torch.no_grad():
        model(torch.rand(2, 3, 64, 64))
    after = model.base.state_dict()
    moved = {n for n, t in after.items() if "running" in n and not torch.equal(t, before[n])}
    of_stages = depths(n for n in after if "num_batches" not in n)
    running = {n for n in after if "running" in n}
    assert moved == {n for n in running if of_stages.by_name[n] >= 2} != running


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
        (
            {"base_name": "volo_d1_224"},
            r"volo_d1_224 of timm has no maps \[3, 4, 5\] .*look at MODEL\.FPN\.IN_FEATURES",
        ),
        ({"base_name": "resnet18", "norm": "GN"}, r"unknown MODEL\.TIMM\.NORM 'GN'"),
        (
            {"base_name": "dla46_c", "freeze_at": 1},
            r"FREEZE_AT is 1, but .* of dla46_c tell no stages; set it to 0",
        ),
    ],
)
def test_wrong_names_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TimmBackbone(**options)


def test_the_21k_resnet_has_no_weights_in_timm():
    with pytest.raises(InputError, match=r"put the MIIL file into MODEL\.WEIGHTS"):
        TimmBackbone(base_name="resnet50_in21k").load_pretrained()


def test_the_21k_resnet_has_no_statistics_in_timm():
    with pytest.raises(InputError, match=r"set MODEL\.PIXEL_MEAN"):
        TimmBackbone(base_name="resnet50_in21k").pixel_statistics("RGB")
