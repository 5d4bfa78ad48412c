"""The layers of a region proposal network.

Shapes: B images, C channels, H x W cells, A anchors per cell.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ShapeSpec
from detectron2.utils.registry import Registry
from torch import nn

from ..anchor_generator import build_anchor_generator

RPN_HEAD_REGISTRY = Registry("RPN_HEAD")
RPN_HEAD_REGISTRY.__doc__ = """
Modules `features -> (objectness logits, anchor deltas)` per level, built as `obj(cfg, input_shape)`
with the list of the features' `ShapeSpec`.
"""


def build_rpn_head(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """Returns the head that `MODEL.RPN.HEAD_NAME` names."""
    return RPN_HEAD_REGISTRY.get(cfg.MODEL.RPN.HEAD_NAME)(cfg, input_shape)


@RPN_HEAD_REGISTRY.register()
class StandardRPNHead(nn.Module):
    """3x3 convolutions, then 1x1 convolutions to objectness and deltas, shared by all levels.

    Args:
        in_channels: C of every level.
        num_anchors: A.
        box_dim: numbers per box.
        conv_dims: channels of each 3x3 convolution; -1 keeps the channels of its input.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        num_anchors: int,
        box_dim: int = 4,
        conv_dims: Sequence[int] = (-1,),
    ):
        super().__init__()
        convs = OrderedDict()
        for index, width in enumerate(conv_dims):
            width = in_channels if width == -1 else width
            conv = Conv2d(in_channels, width, 3, padding=1, activation=nn.ReLU())
            convs[f"conv{index}"] = conv
            in_channels = width
        # A single layer has no index in the names of released weights.
        self.conv = nn.Sequential(convs) if len(convs) > 1 else convs["conv0"]
        self.objectness_logits = Conv2d(in_channels, num_anchors, 1)
        self.anchor_deltas = Conv2d(in_channels, num_anchors * box_dim, 1)
        for layer in (*convs.values(), self.objectness_logits, self.anchor_deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict:
        """Returns constructor arguments from `MODEL.RPN` and the anchor generator."""
        anchor_generator = build_anchor_generator(cfg, input_shape)
        return {
            "in_channels": _the_one("channels", [shape.channels for shape in input_shape]),
            "num_anchors": _the_one("number of anchors per cell", anchor_generator.num_anchors),
            "box_dim": anchor_generator.box_dim,
            "conv_dims": cfg.MODEL.RPN.CONV_DIMS,
        }

    def forward(
        self, features: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Returns, per level, objectness logits (B, A, H, W) and deltas (B, A * box_dim, H, W).

        Args:
            features: per level (B, C, H, W).
        """
        hidden = [self.conv(feature) for feature in features]
        return [self.objectness_logits(h) for h in hidden], [self.anchor_deltas(h) for h in hidden]


def _the_one(what: str, values: list[int]) -> int:
    """Returns the value that all levels share."""
    if len(set(values)) != 1:
        raise ValueError(f"all levels of the RPN need the same {what}, got {values}")
    return values[0]
