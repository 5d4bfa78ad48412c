"""The stem and the residual blocks of ResNet.

Shapes: B images, C channels, H x W pixels.
"""

import torch
import torch.nn.functional as F
from detectron2.layers import CNNBlockBase, Conv2d, get_norm
from fvcore.nn.weight_init import c2_msra_fill
from torch import nn


class BasicStem(CNNBlockBase):
    """Convolution 7x7 and max pooling, each of stride 2."""

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm: str = "BN"):
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = _conv(in_channels, out_channels, 7, norm, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, out_channels, H / 4, W / 4) from (B, in_channels, H, W)."""
        return F.max_pool2d(F.relu(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class BasicBlock(CNNBlockBase):
    """Two 3x3 convolutions and a shortcut: the block of ResNet-18 and -34."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, norm: str = "BN"):
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = _projection(in_channels, out_channels, norm, stride)
        self.conv1 = _conv(in_channels, out_channels, 3, norm, stride=stride)
        self.conv2 = _conv(out_channels, out_channels, 3, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, out_channels, H / stride, W / stride) from (B, in_channels, H, W)."""
        residual = self.conv2(F.relu(self.conv1(x)))
        return F.relu(residual + self.shortcut(x))


class BottleneckBlock(CNNBlockBase):
    """Convolutions 1x1, 3x3, 1x1 and a shortcut: the block of ResNet-50 and deeper.

    Args:
        in_channels, out_channels: of the block.
        bottleneck_channels, num_groups, dilation: of the 3x3 convolution.
        stride: of the block.
        norm: see `get_norm`.
        stride_in_1x1: stride in the first 1x1 convolution (weights of MSRA) instead of in the 3x3
            one (weights of torchvision).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: str = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
    ):
        super().__init__(in_channels, out_channels, stride)
        width = bottleneck_channels
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        self.shortcut = _projection(in_channels, out_channels, norm, stride)
        self.conv1 = _conv(in_channels, width, 1, norm, stride=stride_1x1)
        self.conv2 = _conv(width, width, 3, norm, stride_3x3, groups=num_groups, dilation=dilation)
        self.conv3 = _conv(width, out_channels, 1, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (B, out_channels, H / stride, W / stride) from (B, in_channels, H, W)."""
        residual = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(residual + self.shortcut(x))


def _conv(
    in_channels: int, out_channels: int, side: int, norm: str, stride: int = 1, **kwargs: int
) -> Conv2d:
    """Returns a convolution without bias that keeps the size (up to its stride), and its norm."""
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size=side,
        stride=stride,
        padding=kwargs.get("dilation", 1) * (side // 2),
        bias=False,
        norm=get_norm(norm, out_channels),
        **kwargs,
    )
    c2_msra_fill(conv)
    return conv


def _projection(in_channels: int, out_channels: int, norm: str, stride: int) -> nn.Module:
    """Returns the 1x1 convolution of a shortcut, or the identity where the channels agree."""
    if in_channels == out_channels:
        return nn.Identity()
    return _conv(in_channels, out_channels, 1, norm, stride=stride)
