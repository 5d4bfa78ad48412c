"""Names as publishers spell them, taken from the libraries or written down by depth."""

from itertools import permutations

import pytest
import timm
import torch
import torchvision
from timm.models.convnext import checkpoint_filter_fn

from detic.checkpoint.backbone_names import place_backbone, with_identity_statistics
from detic.checkpoint.matching import absent_from_classifiers
from detic.modeling.backbone.swin import SWIN_SIZES, SwinTransformer
from detic.modeling.backbone.timm import TimmBackbone


def names_of(build, *args, **kwargs):
    return list(build(*args, **kwargs).state_dict())


def model_names(build, **kwargs):
    return {f"backbone.bottom_up.{name}" for name in names_of(build, **kwargs)}


def fair_convnext_names(depths):
    """The names of FAIR's release."""
    norm = ("weight", "bias")
    for i in range(4):
        yield from (f"downsample_layers.{i}.{j}.{t}" for j in (0, 1) for t in norm)
    for i, depth in enumerate(depths):
        for j in range(depth):
            yield f"stages.{i}.{j}.gamma"
            for part in ("dwconv", "norm", "pwconv1", "pwconv2"):
                yield from (f"stages.{i}.{j}.{part}.{t}" for t in norm)
    yield from (f"{part}.{t}" for part in ("norm", "head") for t in norm)


def caffe2_resnet50_names():
    """The names of MSRA's release, whose normalisation has no statistics."""
    yield from ("conv1_w", "res_conv1_bn_s", "res_conv1_bn_b", "fc1000_w", "fc1000_b")
    for stage, depth in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True):
        for block in range(depth):
            for branch in ("1", "2a", "2b", "2c")[block > 0 :]:
                for tensor in ("w", "bn_s", "bn_b"):
                    yield f"res{stage}_{block}_branch{branch}_{tensor}"


def test_torchvision_resnets_fit_timms():
    for build, base_name in (
        (torchvision.models.resnet18, "resnet18"),
        (torchvision.models.resnet50, "resnet50_in21k"),
    ):
        placed = place_backbone(
            names_of(build), model := model_names(TimmBackbone, base_name=base_name)
        )
        assert {n for n in model if ".fc." not in n} <= set(placed.model_names.values())
        assert placed.model_names["layer1.0.bn1.weight"] == (
            "backbone.bottom_up.base.layer1.0.bn1.weight"
        )


def test_convnext_of_fair_and_timm_land_on_the_same_tensors():
    model = model_names(TimmBackbone, base_name="convnext_tiny_21k", out_levels=(2, 3, 4))
    fair = {name: torch.zeros(1) for name in fair_convnext_names((3, 3, 9, 3))}
    placed = place_backbone(fair, model)
    assert placed.spelling == "FAIR ConvNeXt"
    assert set(placed.model_names.values()) == model
    donor = timm.create_model("convnext_tiny.fb_in22k")
    by_timm = place_backbone(list(donor.state_dict()), model)
    assert by_timm.spelling == "timm"
    assert set(by_timm.model_names.values()) == model
    for fair_name, place in placed.model_names.items():
        timm_name = next(iter(checkpoint_filter_fn({fair_name: torch.zeros(1)}, donor)))
        assert by_timm.model_names[timm_name] == place


@pytest.mark.parametrize("name", ["test_vit", "test_vit3"])
def test_plain_transformers_of_timm_lack_the_pyramid_alone(name):
    model = model_names(TimmBackbone, base_name=name, out_levels=(3, 4))
    placed = place_backbone(names_of(timm.create_model, name), model)
    missing = model - set(placed.model_names.values())
    assert missing == {n for n in model if ".pyramid." in n} != set()
    assert all(map(absent_from_classifiers, missing))


@pytest.mark.parametrize("name", ["mobilenetv4_conv_small_035", "efficientnet_lite0"])
def test_mobile_networks_of_timm_keep_their_names(name):
    model = model_names(TimmBackbone, base_name=name)
    placed = place_backbone(names_of(timm.create_model, name), model)
    assert set(placed.model_names.values()) == model


@pytest.mark.parametrize("base_name", ["resnet18", "test_vit"])
def test_backbones_move_between_kinds_of_detectors(base_name):
    names = names_of(TimmBackbone, base_name=base_name)
    places = [
        {prefix + name for name in names}
        for prefix in ("backbone.bottom_up.", "backbone.", "detr.backbone.0.backbone.")
    ]
    for one, other in permutations(places, 2):
        placed = place_backbone({*one, "detr.transformer.level_embed", "roi_heads.x"}, other)
        assert placed.model_names.keys() == one
        assert set(placed.model_names.values()) == other


def swin_names():
    model = model_names(SwinTransformer, size=SWIN_SIZES["T"])
    norms = {n for n in model if n.startswith("backbone.bottom_up.norm")}
    return model, norms


def test_microsofts_swin_keeps_its_names_and_loses_what_detection_lacks():
    model, norms = swin_names()
    published = [n.removeprefix("backbone.bottom_up.") for n in model - norms]
    extra = ["norm.weight", "norm.bias", "head.weight", "layers.0.blocks.1.attn_mask"]
    placed = place_backbone(published + extra, model)
    assert placed.spelling == "the model's own names"
    assert set(placed.model_names.values()) == model - norms
    assert not set(extra) & set(placed.model_names)


def test_timms_swin_merges_patches_one_stage_later():
    model, norms = swin_names()
    placed = place_backbone(names_of(timm.create_model, "swin_tiny_patch4_window7_224"), model)
    assert placed.spelling == "timm Swin"
    buffers = {n for n in model if n.endswith("relative_position_index")}
    assert set(placed.model_names.values()) == model - norms - buffers
    assert placed.model_names["layers.1.downsample.norm.bias"] == (
        "backbone.bottom_up.layers.0.downsample.norm.bias"
    )


def test_caffe2_resnet_fills_pyramid_and_c4_models():
    names = list(caffe2_resnet50_names())
    c4 = ["backbone.stem.conv1.weight", "backbone.res4.5.conv3.norm.bias"]
    c4 += ["roi_heads.res5.0.shortcut.weight", "roi_heads.res5.2.conv2.norm.weight"]
    placed = place_backbone(names, c4)
    assert placed.spelling == "Caffe2"
    assert placed.model_names == {
        "conv1_w": c4[0],
        "res4_5_branch2c_bn_b": c4[1],
        "res5_0_branch1_w": c4[2],
        "res5_2_branch2b_bn_s": c4[3],
    }
    fpn = ["backbone.bottom_up.res5.0.shortcut.weight"]
    assert place_backbone(names, fpn).model_names == {"res5_0_branch1_w": fpn[0]}


def test_torchvision_resnet_fits_detectron2s():
    model = [
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.bottom_up.stem.conv1.norm.running_mean",
        "backbone.bottom_up.res2.0.shortcut.weight",
        "backbone.bottom_up.res2.0.shortcut.norm.bias",
        "backbone.bottom_up.res5.2.conv3.weight",
        "backbone.bottom_up.res5.2.conv3.norm.weight",
    ]
    placed = place_backbone(names_of(torchvision.models.resnet50), model)
    assert {place: name for name, place in placed.model_names.items()} == {
        model[0]: "conv1.weight",
        model[1]: "bn1.running_mean",
        model[2]: "layer1.0.downsample.0.weight",
        model[3]: "layer1.0.downsample.1.bias",
        model[4]: "layer4.2.conv3.weight",
        model[5]: "layer4.2.bn3.weight",
    }


def test_identity_statistics_make_normalisation_a_scale_and_shift():
    tensors = {"c.norm.weight": torch.tensor([2.0, -3.0]), "c.norm.bias": torch.tensor([1.0, 0.5])}
    completed = with_identity_statistics(tensors)
    x = torch.randn(4, 2, 3, 3)
    y = torch.nn.functional.batch_norm(
        x,
        completed["c.norm.running_mean"],
        completed["c.norm.running_var"],
        tensors["c.norm.weight"],
        tensors["c.norm.bias"],
        eps=1e-5,
    )
    expected = x * torch.tensor([2.0, -3.0])[:, None, None] + torch.tensor([1, 0.5])[:, None, None]
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-6)
