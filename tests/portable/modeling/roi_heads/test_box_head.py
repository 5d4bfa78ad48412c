import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import FastRCNNConvFCHead
from torch import nn

POOLED = ShapeSpec(channels=4, height=3, width=3)


def test_fully_connected_head_gives_a_vector_per_region():
    head = FastRCNNConvFCHead(POOLED, conv_dims=[], fc_dims=[8, 5])
    assert head.output_shape == ShapeSpec(channels=5)
    assert head(torch.randn(2, 4, 3, 3)).shape == (2, 5)
    assert {name: tuple(t.shape) for name, t in head.state_dict().items()} == {
        "fc1.weight": (8, 36),
        "fc1.bias": (8,),
        "fc2.weight": (5, 8),
        "fc2.bias": (5,),
    }


def test_convolutional_head_keeps_the_grid():
    head = FastRCNNConvFCHead(POOLED, conv_dims=[6], fc_dims=[], conv_norm="BN")
    assert head.output_shape == ShapeSpec(channels=6, height=3, width=3)
    assert head(torch.randn(2, 4, 3, 3)).shape == (2, 6, 3, 3)
    assert head.conv1.bias is None
    assert isinstance(head.conv1.norm, nn.BatchNorm2d)


def test_no_regions_keep_gradients():
    head = FastRCNNConvFCHead(POOLED, conv_dims=[6], fc_dims=[5])
    head(torch.randn(0, 4, 3, 3)).sum().backward()
    assert float(head.fc1.weight.grad.abs().sum()) == 0
