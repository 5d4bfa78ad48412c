import torch
from torch import nn

from detic.modeling.blank_weights import BlankWeights, zero_parameters


def test_no_random_number_is_used_up():
    torch.manual_seed(0)
    with BlankWeights():
        weight = nn.Conv2d(3, 4, 3).weight
        for fill in (nn.init.normal_, nn.init.trunc_normal_, nn.init.xavier_uniform_):
            assert fill(weight) is weight
    assert weight.requires_grad
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))


def test_constants_and_what_is_computed_stay():
    with BlankWeights():
        norm = nn.BatchNorm2d(2)
        table = torch.linspace(0, 1, 5).cos()
    assert norm.weight.tolist() == [1, 1]
    assert torch.equal(table, torch.linspace(0, 1, 5).cos())


def test_what_a_file_lacks_becomes_zeros():
    layer = nn.Linear(2, 2)
    weight = layer.weight.clone()
    zero_parameters(layer, but=["weight"])
    assert torch.equal(layer.weight, weight)
    assert layer.bias.tolist() == [0, 0]
