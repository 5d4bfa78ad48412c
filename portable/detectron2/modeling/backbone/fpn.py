"""Feature pyramid network: levels of equal width on top of a backbone.

Source: Feature Pyramid Networks (arXiv 1612.03144). Shapes: B images, C channels, H x W pixels.
"""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, ShapeSpec, get_norm
from fvcore.nn.weight_init import c2_xavier_fill
from torch import nn

from .backbone import Backbone
from .build import BACKBONE_REGISTRY
from .resnet import build_resnet_backbone


class FPN(Backbone):
    """Adds top-down connections to a backbone; features are named p{k} for stride 2 ** k.

    Args:
        in_features: of `bottom_up`, finest first; each has twice the stride of the one before.
        norm: see `get_norm`; convolutions have a bias only without a norm.
        top_block: makes `top_block.num_levels` coarser levels from the feature
            `top_block.in_feature`, which is one of `bottom_up` or of the pyramid.
        fuse_type: "sum" adds what comes from above, "avg" takes the mean with it.
        square_pad: side in pixels of the square that inputs are padded to; 0 for none.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        fuse_type: str = "sum",
        square_pad: int = 0,
    ):
        super().__init__()
        if fuse_type not in ("sum", "avg"):
            raise ValueError(f"unknown FPN fuse type {fuse_type!r}; choose sum or avg")
        shapes = bottom_up.output_shape()
        strides = [shapes[name].stride for name in in_features]
        if any(coarser != 2 * finer for finer, coarser in itertools.pairwise(strides)):
            raise ValueError(f"FPN needs strides that double from level to level, got {strides}")
        first_level = round(math.log2(strides[0]))
        levels = range(first_level, first_level + len(strides))
        for name, level in zip(in_features, levels, strict=True):
            lateral = _conv(shapes[name].channels, out_channels, 1, norm)
            self.add_module(f"fpn_lateral{level}", lateral)
            self.add_module(f"fpn_output{level}", _conv(out_channels, out_channels, 3, norm))
        self.top_block = top_block
        self.in_features = tuple(in_features)
        self.bottom_up = bottom_up
        # Coarsest first: the order in which they run.
        self.lateral_convs = [getattr(self, f"fpn_lateral{level}") for level in reversed(levels)]
        self.output_convs = [getattr(self, f"fpn_output{level}") for level in reversed(levels)]

        extra_levels = top_block.num_levels if top_block is not None else 0
        all_levels = range(levels[0], levels[-1] + 1 + extra_levels)
        self._out_features = [f"p{level}" for level in all_levels]
        self._out_feature_strides = {f"p{level}": 2**level for level in all_levels}
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)
        self._size_divisibility = strides[-1]
        self._square_pad = square_pad
        self._fuse_type = fuse_type

    @property
    def size_divisibility(self) -> int:
        """The coarsest stride of the bottom-up features, in pixels."""
        return self._size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        """The side of the square that inputs are padded to, as "square_size"."""
        return {"square_size": self._square_pad}

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return p{k} of images (B, 3, H, W), each (B, out_channels, H / 2**k, W / 2**k)."""
        bottom_up = self.bottom_up(x)
        pyramid: list[torch.Tensor] = []  # finest first
        top_down = None
        for name, lateral, output in zip(
            reversed(self.in_features), self.lateral_convs, self.output_convs, strict=True
        ):
            top_down = self._fuse(lateral(bottom_up[name]), top_down)
            pyramid.insert(0, output(top_down))
        features = dict(zip(self._out_features, pyramid, strict=False))
        if self.top_block is not None:
            source = {**features, **bottom_up}[self.top_block.in_feature]
            extra_names = self._out_features[len(pyramid) :]
            features.update(zip(extra_names, self.top_block(source), strict=True))
        return features

    def _fuse(self, lateral: torch.Tensor, above: torch.Tensor | None) -> torch.Tensor:
        if above is None:
            return lateral
        # The same as twice the size, which an exported graph of images of any size cannot prove.
        fused = lateral + F.interpolate(above, size=lateral.shape[2:], mode="nearest")
        return fused / 2 if self._fuse_type == "avg" else fused


class LastLevelMaxPool(nn.Module):
    """Makes p6 by taking every second pixel of p5."""

    def __init__(self):
        super().__init__()
        self.num_levels = 1
        self.in_feature = "p5"

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return [p6] from p5 (B, C, H, W)."""
        return [F.max_pool2d(x, kernel_size=1, stride=2)]


class LastLevelP6P7(nn.Module):
    """Makes p6 and p7 by convolutions of stride 2, of a feature such as res5.

    Source: Focal Loss for Dense Object Detection (arXiv 1708.02002).
    """

    def __init__(self, in_channels: int, out_channels: int, in_feature: str = "res5"):
        super().__init__()
        self.num_levels = 2
        self.in_feature = in_feature
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for conv in (self.p6, self.p7):
            c2_xavier_fill(conv)

    def forward(self, c5: torch.Tensor) -> list[torch.Tensor]:
        """Return [p6, p7] from (B, in_channels, H, W)."""
        p6 = self.p6(c5)
        return [p6, self.p7(F.relu(p6))]


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Return a ResNet with a pyramid and a max-pooled last level, from `MODEL.FPN`."""
    return _pyramid(cfg, build_resnet_backbone(cfg, input_shape), LastLevelMaxPool())


@BACKBONE_REGISTRY.register()
def build_retinanet_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Return a ResNet with a pyramid and two more levels made of res5, from `MODEL.FPN`."""
    bottom_up = build_resnet_backbone(cfg, input_shape)
    channels = bottom_up.output_shape()["res5"].channels
    return _pyramid(cfg, bottom_up, LastLevelP6P7(channels, cfg.MODEL.FPN.OUT_CHANNELS))


def _pyramid(cfg: CfgNode, bottom_up: Backbone, top_block: nn.Module) -> FPN:
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=top_block,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


def _conv(in_channels: int, out_channels: int, side: int, norm: str) -> Conv2d:
    """Return a convolution that keeps the size, with its norm."""
    conv = Conv2d(
        in_channels,
        out_channels,
        side,
        padding=side // 2,
        bias=norm == "",
        norm=get_norm(norm, out_channels),
    )
    c2_xavier_fill(conv)
    return conv
