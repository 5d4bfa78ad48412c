"""The base of convolutional blocks that can be frozen, and a separable convolution."""

import torch
from detectron2.layers.batch_norm import FrozenBatchNorm2d, get_norm
from detectron2.layers.wrappers import Conv2d
from fvcore.nn.weight_init import c2_msra_fill
from torch import nn


class CNNBlockBase(nn.Module):
    """A block with one input and one output feature map.

    Attributes:
        in_channels, out_channels: widths of the input and the output.
        stride: input cells per output cell and axis.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def freeze(self) -> "CNNBlockBase":
        """Return the block itself, its parameters and batch statistics constant from now on."""
        for parameter in self.parameters():
            parameter.requires_grad = False
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self


class DepthwiseSeparableConv2d(nn.Module):
    """A convolution of each channel by itself, then a 1x1 convolution; each with norm, activation.

    Source: Xception (arXiv 1610.02357).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        padding: int = 1,
        dilation: int = 1,
        *,
        norm1=None,
        activation1=None,
        norm2=None,
        activation2=None,
    ):
        """
        Args:
            norm1, norm2: see `get_norm`; a convolution has a bias only without a norm.
            activation1, activation2: functions, or None.
        """
        super().__init__()
        self.depthwise = Conv2d(
            in_channels,
            in_channels,
            kernel_size=kernel_size,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            bias=not norm1,
            norm=get_norm(norm1, in_channels),
            activation=activation1,
        )
        self.pointwise = Conv2d(
            in_channels,
            out_channels,
            kernel_size=1,
            bias=not norm2,
            norm=get_norm(norm2, out_channels),
            activation=activation2,
        )
        c2_msra_fill(self.depthwise)
        c2_msra_fill(self.pointwise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H_out, W_out) from (B, in_channels, H, W)."""
        return self.pointwise(self.depthwise(x))
