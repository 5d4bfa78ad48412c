"""Layers over torch's, also on empty inputs."""

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d, ConvTranspose2d, DepthwiseSeparableConv2d, cross_entropy
from torch import nn


def test_conv_applies_norm_then_activation():
    layer = Conv2d(1, 2, 1, bias=False, norm=nn.GroupNorm(1, 2), activation=F.relu)
    x = torch.randn(1, 1, 3, 3)
    expected = F.relu(layer.norm(F.conv2d(x, layer.weight)))
    assert torch.equal(layer(x), expected)
    assert set(layer.state_dict()) == {"weight", "norm.weight", "norm.bias"}


def test_convolutions_of_an_empty_batch_keep_gradients():
    model = nn.Sequential(Conv2d(3, 4, 3, padding=1), ConvTranspose2d(4, 2, 2, stride=2))
    out = model(torch.zeros(0, 3, 5, 5))
    assert out.shape == (0, 2, 10, 10)
    out.sum().backward()
    assert model[0].weight.grad.abs().sum() == 0


def test_cross_entropy_of_no_rows_is_zero_with_gradient():
    logits = torch.zeros(0, 5, requires_grad=True)
    loss = cross_entropy(logits, torch.zeros(0, dtype=torch.int64), reduction="mean")
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.shape == (0, 5)


def test_separable_convolution_has_two_layers():
    layer = DepthwiseSeparableConv2d(4, 6, norm2="BN")
    assert layer(torch.randn(2, 4, 5, 5)).shape == (2, 6, 5, 5)
    assert layer.depthwise.weight.shape == (4, 1, 3, 3)
    assert layer.depthwise.bias is not None
    assert layer.pointwise.bias is None
    assert isinstance(layer.pointwise.norm, nn.BatchNorm2d)
