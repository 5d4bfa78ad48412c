"""Frozen and synchronised batch normalisation."""

import copy

import pytest
import torch
from detectron2.layers import (
    CNNBlockBase,
    Conv2d,
    CycleBatchNormList,
    FrozenBatchNorm2d,
    NaiveSyncBatchNorm,
    get_norm,
)
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


BUFFER_CHANGES = {
    "in place": lambda norm: norm.weight.mul_(2),
    "loaded": lambda norm: norm.load_state_dict({n: v + 1 for n, v in norm.state_dict().items()}),
    "replaced": lambda norm: setattr(norm, "running_var", norm.running_var * 3),
    "other precision": lambda norm: norm.double().float().bias.zero_(),
}


@pytest.mark.parametrize("change", BUFFER_CHANGES.values(), ids=BUFFER_CHANGES)
def test_frozen_layer_follows_its_buffers(change):
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(trained_norm())
    x = torch.randn(2, 3, 4, 4)
    before = frozen(x.requires_grad_())
    change(frozen)
    after = frozen(x)
    assert not torch.allclose(after, before, atol=1e-2)
    assert torch.allclose(after, frozen(x.detach()), atol=1e-6)
    assert torch.equal(copy.deepcopy(frozen)(x), after)


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


def test_norm_weighted_by_batch_sizes_has_a_name():
    norm = get_norm("naiveSyncBN_N", 4)
    x = torch.randn(2, 4, 3, 3)
    assert isinstance(norm, NaiveSyncBatchNorm)
    torch.testing.assert_close(norm(x), nn.BatchNorm2d(4)(x))
    with pytest.raises(ValueError, match="unknown stats_mode 'M'"):
        NaiveSyncBatchNorm(4, stats_mode="M")


def test_layer_norm_is_over_channels():
    normalised = get_norm("LN", 4)(torch.randn(2, 4, 3, 3) * 5 + 1)
    torch.testing.assert_close(normalised.mean(dim=1), torch.zeros(2, 3, 3), atol=1e-5, rtol=0)
    deviation = normalised.std(dim=1, unbiased=False)
    torch.testing.assert_close(deviation, torch.ones(2, 3, 3), atol=1e-3, rtol=0)


def test_frozen_layers_can_be_trained_again():
    trained = nn.Sequential(nn.BatchNorm2d(4))
    trained[0].running_mean += 1
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(copy.deepcopy(trained))
    again = FrozenBatchNorm2d.convert_frozenbatchnorm2d_to_batchnorm2d(frozen)
    assert type(again[0]) is nn.BatchNorm2d
    torch.testing.assert_close(again.state_dict(), trained.state_dict())


def test_norms_of_a_cycle_take_turns():
    cycle = CycleBatchNormList(2, num_features=4)
    first, second = torch.zeros(2, 4, 3, 3), torch.ones(2, 4, 3, 3)
    for x in (first, second):
        cycle(x)
    assert [float(norm.running_mean[0]) for norm in cycle] == pytest.approx([0, 0.1])
    assert set(cycle.state_dict()) >= {"weight", "bias"}
    assert not any(norm.affine for norm in cycle)
