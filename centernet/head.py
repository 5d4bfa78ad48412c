"""The convolutional head that every feature level shares.

Shapes: B images, F feature channels, C classes.
"""

import math
from typing import NamedTuple

import torch
from detectron2.layers import get_norm
from torch import Tensor, nn


class HeadOutput(NamedTuple):
    """Raw predictions on one level."""

    class_logits: Tensor | None  # (B, C, H, W)
    ltrb: Tensor  # (B, 4, H, W) in strides, not negative
    agnostic_logits: Tensor | None  # (B, 1, H, W)


class Scale(nn.Module):
    """Multiplication of a tensor of any shape by one learned number."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class CenterNetHead(nn.Module):
    """Heat maps and box distances from feature maps.

    A tower shared by all tasks, one for classes and one for boxes; the agnostic heat map is read
    off the box tower.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_levels: int,
        num_classes: int | None,
        with_agnostic_heatmap: bool,
        num_share_convs: int = 0,
        num_cls_convs: int = 4,
        num_box_convs: int = 4,
        norm: str = "GN",
        prior_prob: float = 0.01,
    ):
        """``num_classes`` None: no class heat maps, hence no class tower."""
        super().__init__()
        num_cls_convs = 0 if num_classes is None else num_cls_convs
        self.share_tower = _tower(in_channels, num_share_convs, norm)
        self.cls_tower = _tower(in_channels, num_cls_convs, norm)
        self.bbox_tower = _tower(in_channels, num_box_convs, norm)
        self.bbox_pred = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in range(num_levels))
        self.cls_logits = None if num_classes is None else _predictor(in_channels, num_classes)
        self.agn_hm = _predictor(in_channels, 1) if with_agnostic_heatmap else None
        self._init_weights(prior_prob)

    def _init_weights(self, prior_prob: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                _fill_bias(module, 0.0)
        _fill_bias(self.bbox_pred, 8.0)  # strides
        for heatmap in (self.cls_logits, self.agn_hm):
            if heatmap is not None:
                _fill_bias(heatmap, -math.log((1 - prior_prob) / prior_prob))

    def forward(self, features: list[Tensor]) -> list[HeadOutput]:
        """Return the predictions on each level for ``features``: maps (B, F, H_l, W_l)."""
        return [self._level(x, scale) for x, scale in zip(features, self.scales, strict=True)]

    def _level(self, x: Tensor, scale: nn.Module) -> HeadOutput:
        # Maps are float32 in mixed precision too: in half precision hot cells would round to a
        # probability of 1, whose loss is infinite, and scores would tie.
        x = self.share_tower(x)
        box_features = self.bbox_tower(x)
        class_logits = None
        if self.cls_logits is not None:
            class_logits = self.cls_logits(self.cls_tower(x)).float()
        return HeadOutput(
            class_logits=class_logits,
            ltrb=scale(self.bbox_pred(box_features)).relu().float(),
            agnostic_logits=None if self.agn_hm is None else self.agn_hm(box_features).float(),
        )


def _predictor(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _fill_bias(layer: nn.Conv2d, value: float) -> None:
    assert layer.bias is not None
    nn.init.constant_(layer.bias, value)


def _tower(channels: int, num_convs: int, norm: str) -> nn.Sequential:
    """Return ``num_convs`` times 3x3 convolution, normalisation, ReLU."""
    layers: list[nn.Module] = []
    for _ in range(num_convs):
        layers.append(nn.Conv2d(channels, channels, 3, padding=1))
        if norm == "GN":
            # Widths such as 160 = 32 * 5 take 32 groups; others (of BiFPNs) divide by 25.
            layers.append(nn.GroupNorm(32 if channels % 32 == 0 else 25, channels))
        elif norm:
            layers.append(get_norm(norm, channels))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)
