"""The base of convolutional blocks that can be frozen."""

from detectron2.layers.batch_norm import FrozenBatchNorm2d
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
