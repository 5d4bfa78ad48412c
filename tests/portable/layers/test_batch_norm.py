"""Frozen and synchronised batch normalisation."""

import pytest
import torch
from detectron2.layers import CNNBlockBase, Conv2d, FrozenBatchNorm2d, NaiveSyncBatchNorm, get_norm
from torch import nn


def trained_norm():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, eps=1e-3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm(torch.randn(4, 3, 5, 5) * 2 + 1)
    return norm.eval()


def test_fresh_frozen_layer_is_the_identity():
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(FrozenBatchNorm2d(3)(x), x, atol=1e-6)


@pytest.mark.parametrize("requires_grad", [False, True])  # two ways of computing the same
def test_converted_layer_computes_the_same(requires_grad):
    norm = trained_norm()
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(norm)
    x = torch.randn(2, 3, 4, 4, requires_grad=requires_grad)
    assert torch.allclose(frozen(x), norm(x), atol=1e-6)
    assert not list(frozen.parameters())


def test_conversion_replaces_children_and_keeps_state_dict_names():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(trained_norm()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    converted = FrozenBatchNorm2d.convert_frozen_batchnorm(model)
    assert converted is model
    assert "1.0.num_batches_tracked" in model.state_dict()
    assert {n: v.tolist() for n, v in model.state_dict().items()} == {
        n: v.tolist() for n, v in before.items()
    }


def test_layer_built_directly_has_no_counter():
    assert set(FrozenBatchNorm2d(3).state_dict()) == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
    }


def test_converted_layer_loads_checkpoints_without_counter():
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(trained_norm())
    frozen.load_state_dict(FrozenBatchNorm2d(3).state_dict(), strict=True)
    assert frozen.weight.tolist() == [1, 1, 1]


def test_frozen_block_has_constant_parameters_and_norms():
    block = CNNBlockBase(3, 4, 2)
    block.conv = Conv2d(3, 4, 1, norm=get_norm("BN", 4))
    assert block.freeze() is block
    assert not any(parameter.requires_grad for parameter in block.parameters())
    assert isinstance(block.conv.norm, FrozenBatchNorm2d)


def test_get_norm_by_name_and_by_function():
    assert get_norm("", 8) is None
    assert get_norm(None, 8) is None
    assert isinstance(get_norm("FrozenBN", 8), FrozenBatchNorm2d)
    assert isinstance(get_norm("SyncBN", 8), nn.SyncBatchNorm)
    assert isinstance(get_norm("naiveSyncBN", 8), NaiveSyncBatchNorm)
    assert get_norm("GN", 64).num_groups == 32
    assert get_norm(nn.Identity, 8) is not None


def test_unknown_norm_lists_the_choices():
    with pytest.raises(ValueError, match="unknown norm 'BNN'; choose from: '', BN, SyncBN"):
        get_norm("BNN", 8)


def test_synchronised_norm_alone_is_batch_norm():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(NaiveSyncBatchNorm(3)(x), nn.BatchNorm2d(3)(x))
