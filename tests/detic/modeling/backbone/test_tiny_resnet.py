import pytest
import timm
import torch

from detic.modeling.backbone.tiny_resnet import BACKBONE_NAME


def test_backbone_is_found_by_name_and_has_the_stated_maps():
    model = timm.create_model("resnet10t_shapes", features_only=True, out_indices=(2, 3, 4))
    maps = model.eval()(torch.zeros(1, 3, 64, 64))
    assert [tuple(level.shape[1:]) for level in maps] == [(64, 8, 8), (96, 4, 4), (160, 2, 2)]
    assert sum(parameter.numel() for parameter in model.parameters()) < 0.7e6


def test_backbone_has_no_weights_to_download():
    with pytest.raises(RuntimeError, match="No pretrained weights exist"):
        timm.create_model(BACKBONE_NAME, pretrained=True)
