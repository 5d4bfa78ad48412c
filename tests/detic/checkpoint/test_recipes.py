"""Weights of the published architectures in the models that the recipes build."""

import pickle
import re

import numpy as np
import pytest
import torch
import torchvision

from detic.checkpoint import load_weights
from detic.checkpoint.mmdet import to_mmdet
from detic.errors import InputError

from .conftest import MANIFESTS, numbered, read_manifest

# Recipes with mmdetection counterparts, and the architecture of each.
MMDET_RECIPES = {
    "BoxSup-C2_L_CLIP_R5021k_640b64_4x": "boxsup_c2_r50",
    "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size": "boxsup_c2_r50",
    "BoxSup-C2_L_CLIP_SwinB_896b32_4x": "boxsup_c2_swinb",
    "Detic_LI_CLIP_SwinB_896b32_4x_ft4x_max-size": "boxsup_c2_swinb",
    "BoxSup-C2_Lbase_CLIP_R5021k_640b64_4x": "boxsup_c2_r50",
    "Detic_LbaseI_CLIP_R5021k_640b64_4x_ft4x_max-size": "boxsup_c2_r50",
    "BoxSup-C2_Lbase_CLIP_SwinB_896b32_4x": "boxsup_c2_swinb",
    "Detic_LbaseI_CLIP_SwinB_896b32_4x_ft4x_max-size": "boxsup_c2_swinb",
    "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size": "detic_dynamic_swinb",
}

NARROW_RESNET = (
    *("MODEL.RESNETS.STEM_OUT_CHANNELS", 4, "MODEL.RESNETS.RES2_OUT_CHANNELS", 8),
    *("MODEL.RESNETS.WIDTH_PER_GROUP", 2),
)


@pytest.mark.parametrize("name", [path.stem.split(".")[0] for path in sorted(MANIFESTS.glob("*"))])
def test_released_architecture_loads_without_remainder(name, build_recipe, tmp_path):
    recipe, tensors = read_manifest(name)
    torch.save({"model": tensors}, tmp_path / "released.pth")
    report = load_weights(build_recipe(recipe), tmp_path / "released.pth")
    assert report.matched == tuple(sorted(tensors))
    assert (report.random, report.unexpected, report.vocabulary_sizes) == ((), (), None)
    assert report.num_model_tensors == len(tensors)


@pytest.mark.parametrize("recipe", MMDET_RECIPES)
def test_mmdetections_weights_load_into_its_recipe(recipe, build_recipe, tmp_path):
    tensors = read_manifest(MMDET_RECIPES[recipe])[1]
    torch.save({"state_dict": to_mmdet(tensors).tensors}, tmp_path / "mmdet.pth")
    report = load_weights(build_recipe(recipe), tmp_path / "mmdet.pth")
    assert report.names == "mmdetection"
    assert (report.random, report.unexpected) == ((), ())
    unused = {"backbone.bottom_up.base.fc.weight", "backbone.bottom_up.base.fc.bias"}
    assert tensors.keys() - set(report.matched) <= unused


def test_box_supervised_weights_start_the_22k_recipe(build_recipe, tmp_path):
    """The step between the published recipes: other classes, no frequencies."""
    torch.save({"model": read_manifest("boxsup_c2_r18")[1]}, tmp_path / "boxsup.pth")
    model = build_recipe("Detic_LCOCOI21k_CLIP_R18_640b32_4x_ft4x_max-size")
    classes = model.roi_heads.box_predictor[0].cls_score.zs_weight.clone()
    report = load_weights(model, tmp_path / "boxsup.pth", purpose="train")
    assert report.vocabulary_sizes == (1203, 22047)
    assert (report.random, report.unexpected) == ((), ())
    assert torch.equal(model.roi_heads.box_predictor[0].cls_score.zs_weight, classes)


def caffe2_name(name):
    """The name of a tensor of detectron2's ResNet in MSRA's file, None if that lacks it."""
    kind = {"weight": "w", "norm.weight": "bn_s", "norm.bias": "bn_b"}
    branch = {"shortcut": "1", "conv1": "2a", "conv2": "2b", "conv3": "2c"}
    stem = re.fullmatch(r"backbone\.stem\.conv1\.(weight|norm\.weight|norm\.bias)", name)
    if stem:
        return "conv1_w" if stem[1] == "weight" else f"res_conv1_{kind[stem[1]]}"
    block = re.fullmatch(
        r"(?:backbone|roi_heads)\.res(\d)\.(\d+)\.(\w+)\.(weight|norm\.weight|norm\.bias)", name
    )
    return block and f"res{block[1]}_{block[2]}_branch{branch[block[3]]}_{kind[block[4]]}"


def test_msra_pickle_starts_the_open_vocabulary_coco_recipe(build_recipe, tmp_path):
    model = build_recipe("BoxSup_OVCOCO_CLIP_R50_1x", *NARROW_RESNET)
    rng = np.random.default_rng(0)
    expected = {
        name: rng.normal(size=tensor.shape).astype(np.float32)
        for name, tensor in model.state_dict().items()
        if caffe2_name(name)
    }
    blobs = {caffe2_name(name): array for name, array in expected.items()}
    blobs |= {"fc1000_w": np.zeros((3, 4), np.float32), "fc1000_b": np.zeros(3, np.float32)}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
    report = load_weights(model, tmp_path / "R-50.pkl", purpose="train")
    state = model.state_dict()
    assert len(expected) == 3 * 53  # convolutions of a ResNet-50 with weight, scale and shift
    assert all(np.array_equal(state[name].numpy(), array) for name, array in expected.items())
    assert report.names == "Caffe2"
    assert not any(".res5." in name or name.startswith("backbone.") for name in report.missing)
    assert report.unexpected == ("fc1000_b", "fc1000_w")


@pytest.mark.parametrize("wrapper", ["pth of MIIL", "pkl of detectron2"])
def test_resnet50_of_miil_starts_the_lvis_recipe(wrapper, build_recipe, tmp_path):
    with torch.device("meta"):
        tensors = numbered(torchvision.models.resnet50(num_classes=11221))
    if wrapper == "pth of MIIL":
        torch.save({"state_dict": tensors}, tmp_path / "resnet50_miil_21k.pth")
    else:
        content = {"model": tensors, "__author__": "third_party", "matching_heuristics": True}
        (tmp_path / "resnet50_miil_21k.pth").write_bytes(pickle.dumps(content))
    model = build_recipe("BoxSup-C2_L_CLIP_R5021k_640b64_4x")
    report = load_weights(model, tmp_path / "resnet50_miil_21k.pth", purpose="train")
    base = model.backbone.bottom_up.base.state_dict()
    assert all(torch.equal(base[name], tensor) for name, tensor in tensors.items())
    assert len(report.matched) == len(tensors)
    assert report.unexpected == ()


def test_torchvision_resnet_needs_the_stride_in_the_3x3_convolution(build_recipe, tmp_path):
    with torch.device("meta"):
        tensors = numbered(torchvision.models.resnet50())
    torch.save(tensors, tmp_path / "resnet50.pth")
    recipe = "BoxSup_OVCOCO_CLIP_R50_1x"
    with pytest.raises(InputError, match=r"set MODEL\.RESNETS\.STRIDE_IN_1X1 False"):
        load_weights(build_recipe(recipe), tmp_path / "resnet50.pth", purpose="train")
    model = build_recipe(recipe, "MODEL.RESNETS.STRIDE_IN_1X1", False)
    report = load_weights(model, tmp_path / "resnet50.pth", purpose="train")
    assert len(report.matched) == 5 * 53


def test_the_usual_resnet_starts_deformable_detr(build_recipe, tmp_path):
    """The published recipes start from detectron2's file of torchvision's weights."""
    model = build_recipe("BoxSup-DeformDETR_L_R50_4x")
    expected = numbered(model.backbone)
    content = {"model": {name: tensor.numpy() for name, tensor in expected.items()}}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content))
    report = load_weights(model, tmp_path / "R-50.pkl", purpose="train")
    assert len(report.matched) == len(expected)
    state = model.backbone.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    with pytest.raises(InputError, match="holds a backbone, which suits training only"):
        load_weights(model, tmp_path / "R-50.pkl")


def test_the_backbone_of_another_detector_starts_a_training(build_recipe, tmp_path):
    timm = ("MODEL.BACKBONE.NAME", "build_timm_backbone", "MODEL.TIMM.BASE_NAME", "resnet18")
    donor = build_recipe("BoxSup-C2_LCOCO_CLIP_R18_640b32_4x").backbone.bottom_up
    expected = numbered(donor)
    tensors = {f"backbone.bottom_up.{name}": tensor for name, tensor in expected.items()}
    torch.save({"model": tensors}, tmp_path / "detector.pth")
    model = build_recipe("BoxSup-DeformDETR_L_R50_4x", *timm)
    report = load_weights(model, tmp_path / "detector.pth", purpose="train")
    assert report.names == "another detector's names"
    assert len(report.matched) == len(expected)
