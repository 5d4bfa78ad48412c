"""The convolution of box and mask heads."""

from detectron2.layers import Conv2d, get_norm
from fvcore.nn.weight_init import c2_msra_fill
from torch import nn


def conv3x3_norm_relu(in_channels: int, out_channels: int, norm: str) -> Conv2d:
    """Return a size-preserving 3x3 convolution, its norm and a ReLU; no bias if there is a norm."""
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size=3,
        padding=1,
        bias=not norm,
        norm=get_norm(norm, out_channels),
        activation=nn.ReLU(),
    )
    c2_msra_fill(conv)
    return conv
