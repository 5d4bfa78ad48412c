import timm.layers
import torch

from detic.modeling.backbone.drop_path import DropPath


def test_detection_keeps_every_path():
    values = torch.rand(3, 2)
    assert torch.equal(DropPath(0.5).eval()(values), values)
    assert torch.equal(DropPath(0.0).train()(values), values)


def test_training_leaves_out_what_timm_leaves_out():
    values = torch.rand(64, 2, 3)
    torch.manual_seed(0)
    ours = DropPath(0.3).train()(values)
    torch.manual_seed(0)
    assert torch.equal(ours, timm.layers.DropPath(0.3).train()(values))
    assert {bool(path.any()) for path in ours} == {True, False}
