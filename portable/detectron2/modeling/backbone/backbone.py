"""The interface of backbones."""

from abc import ABC, abstractmethod

from detectron2.layers import ShapeSpec
from torch import nn


class Backbone(nn.Module, ABC):
    """Base class of networks that turn an image into named feature maps.

    Subclasses set `_out_features` (names in order), `_out_feature_channels` and
    `_out_feature_strides` (dicts by name), or override `output_shape`.
    """

    @abstractmethod
    def forward(self):
        """Return the feature maps (B, channels, H / stride, W / stride) by name.

        A subclass takes `x`, images (B, 3, H, W).
        """

    @property
    def size_divisibility(self) -> int:
        """The number of pixels that input height and width must be multiples of; 0 for none."""
        return 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        """Further wishes for the padding of inputs; see `ImageList.from_tensors`."""
        return {}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return channels and stride of each feature map by name."""
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels[name], stride=self._out_feature_strides[name]
            )
            for name in self._out_features
        }
