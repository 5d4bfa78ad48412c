"""Names of pretrained backbones."""

import logging

import pytest
import torch
from detectron2.checkpoint.c2_model_loading import (
    align_and_update_state_dicts,
    convert_c2_resnet_name,
    match_by_suffix,
)


@pytest.mark.parametrize(
    ("caffe2", "ours"),
    [
        ("conv1_w", "stem.conv1.weight"),
        ("res_conv1_bn_s", "stem.conv1.norm.weight"),
        ("res_conv1_bn_b", "stem.conv1.norm.bias"),
        ("res2_0_branch1_w", "res2.0.shortcut.weight"),
        ("res2_0_branch1_bn_s", "res2.0.shortcut.norm.weight"),
        ("res4_22_branch2a_bn_b", "res4.22.conv1.norm.bias"),
        ("res5_2_branch2b_w", "res5.2.conv2.weight"),
        ("res5_2_branch2c_bn_rm", "res5.2.conv3.norm.running_mean"),
        ("res5_2_branch2c_bn_riv", "res5.2.conv3.norm.running_var"),
        ("fc1000_w", "linear.weight"),
        ("something_else", "something_else"),
    ],
)
def test_caffe2_names(caffe2, ours):
    assert convert_c2_resnet_name(caffe2) == ours


def test_longest_suffix_of_whole_components_wins():
    model = ["body.layer1.conv.weight", "body.conv.weight", "body.xconv.weight"]
    checkpoint = ["conv.weight", "layer1.conv.weight", "unused"]
    assert match_by_suffix(model, checkpoint) == {
        "body.layer1.conv.weight": "layer1.conv.weight",
        "body.conv.weight": "conv.weight",
    }


def test_one_tensor_for_two_names_is_refused():
    with pytest.raises(ValueError, match=r"'w' fits both 'a.w' and 'b.w'"):
        match_by_suffix(["a.w", "b.w"], ["w"])


def test_alignment_keeps_unmatched_tensors_and_skips_other_shapes(caplog):
    model = {"body.a": torch.zeros(2), "body.b": torch.zeros(2)}
    checkpoint = {"a": torch.ones(2), "b": torch.ones(3), "c": torch.ones(1)}
    with caplog.at_level(logging.WARNING):
        aligned = align_and_update_state_dicts(model, checkpoint, c2_conversion=False)
    assert set(aligned) == {"body.a", "b", "c"}
    assert "Shape of 'b' in the checkpoint is (3,), but 'body.b'" in caplog.text
