"""The interface of backbones."""

from abc import ABC, abstractmethod

import torch
from detectron2.layers import ShapeSpec
from torch import nn


class Backbone(nn.Module, ABC):
    """Base class of networks that turn an image into named feature maps.

    Subclasses set `_out_features` (names in order), `_out_feature_channels` and
    `_out_feature_strides` (dicts by name), or override `output_shape`.
    """

    @abstractmethod
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the feature maps (B, channels, H / stride, W / stride) of images (B, 3, H, W)."""

    @property
    def size_divisibility(self) -> int:
        """The number of pixels that input height and width must be multiples of; 0 for none."""
        return 0

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return channels and stride of each feature map by name."""
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels[name], stride=self._out_feature_strides[name]
            )
            for name in self._out_features
        }
