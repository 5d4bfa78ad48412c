"""Box heads: pooled region features to one vector per region.

Shapes: N regions, C channels, H x W bins.
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import Linear, ShapeSpec
from detectron2.utils.registry import Registry
from fvcore.nn.weight_init import c2_xavier_fill
from torch import nn

from ._convolution import conv3x3_norm_relu

# Modules `pooled features -> region features` with a property `output_shape: ShapeSpec`, built as
# `obj(cfg, input_shape)`.
ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")


def build_box_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Return the box head that `MODEL.ROI_BOX_HEAD.NAME` names."""
    return ROI_BOX_HEAD_REGISTRY.get(cfg.MODEL.ROI_BOX_HEAD.NAME)(cfg, input_shape)


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(nn.Sequential):
    """3x3 convolutions (with norm and ReLU), then fully connected layers (with ReLU).

    It makes (N, fc_dims[-1]), or (N, conv_dims[-1], H, W), of features (N, C, H, W).

    Args:
        conv_dims: output channels of each convolution.
        fc_dims: output width of each fully connected layer.
        conv_norm: see `get_norm`; convolutions have a bias only without a norm.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        conv_dims: Sequence[int],
        fc_dims: Sequence[int],
        conv_norm: str = "",
    ):
        super().__init__()
        shape = input_shape
        for index, width in enumerate(conv_dims, start=1):
            self.add_module(f"conv{index}", conv3x3_norm_relu(shape.channels, width, conv_norm))
            shape = ShapeSpec(channels=width, height=shape.height, width=shape.width)
        for index, width in enumerate(fc_dims, start=1):
            if index == 1:
                self.add_module("flatten", nn.Flatten())
            linear = Linear(shape.channels * (shape.height or 1) * (shape.width or 1), width)
            c2_xavier_fill(linear)
            self.add_module(f"fc{index}", linear)
            self.add_module(f"fc_relu{index}", nn.ReLU())
            shape = ShapeSpec(channels=width)
        self._output_shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the region features of pooled features (N, C, H, W)."""
        for layer in self:
            x = layer(x)
        return x

    @property
    def output_shape(self) -> ShapeSpec:
        """Channels of the result; height and width only without fully connected layers."""
        return self._output_shape

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        head = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "conv_dims": [head.CONV_DIM] * head.NUM_CONV,
            "fc_dims": [head.FC_DIM] * head.NUM_FC,
            "conv_norm": head.NORM,
        }
