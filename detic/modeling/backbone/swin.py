"""The Swin Transformer (arXiv 2103.14030) as a detection backbone.

Maps are padded to whole windows *before* they are shifted, as in the released weights' training;
timm shifts first, which changes the result for all sizes but multiples of the window.

Shapes: B images, H x W tokens of a map, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone import FPN
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from centernet.fpn import build_fpn
from detic.errors import InputError
from detic.modeling.backbone.drop_path import DropPath
from detic.modeling.backbone.window_attention import (
    WindowAttention,
    from_windows,
    shift_mask,
    to_windows,
)

_PATCH = 4  # pixels


@dataclass(frozen=True)
class SwinSize:
    """The numbers that tell the published sizes apart."""

    channels: int  # of the first stage, doubled in each further one
    heads: tuple[int, ...]
    depths: tuple[int, ...]
    window: int = 7
    drop_path: float = 0.2


_BASE = SwinSize(128, (4, 8, 16, 32), (2, 2, 18, 2), drop_path=0.3)
_LARGE = SwinSize(192, (6, 12, 24, 48), (2, 2, 18, 2), drop_path=0.3)
SWIN_SIZES = {
    "T": SwinSize(96, (3, 6, 12, 24), (2, 2, 6, 2)),
    "S": SwinSize(96, (3, 6, 12, 24), (2, 2, 18, 2)),
    "B": _BASE,
    "B-22k": _BASE,
    "B-22k-384": replace(_BASE, window=12),
    "L-22k": _LARGE,
    "L-22k-384": replace(_LARGE, window=12),
}


class Mlp(nn.Module):
    """Two linear layers around a GELU, four times as wide inside: (..., channels) to the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Window attention and MLP, each with a residual path."""

    def __init__(self, channels: int, heads: int, window: int, shift: int, drop_path: float):
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return a map (B, H, W, C) for a map; ``mask``: that of shifted windows."""
        x = x + self.drop_path(self._attend(self.norm1(x), mask))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        h, w = x.shape[1:3]
        x = pad_to_multiple(x, self.window)
        padded_hw = (x.shape[1], x.shape[2])
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = self.attn(to_windows(x, self.window), mask if self.shift else None)
        x = from_windows(windows, padded_hw, self.window)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :h, :w]


class PatchMerging(nn.Module):
    """A map of half the size with twice the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, H / 2, W / 2, 2 C) for (B, H, W, C); odd sides are padded by zeros."""
        x = pad_to_multiple(x, 2)
        neighbours = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(neighbours, dim=3)))


class SwinStage(nn.Module):
    """Blocks on one resolution, every other one with shifted windows."""

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        drop_paths: Sequence[float],
        downsample: bool,
        use_checkpoint: bool,
    ):
        super().__init__()
        self.window = window
        self.use_checkpoint = use_checkpoint
        self.blocks = nn.ModuleList(
            SwinBlock(channels, heads, window, (i % 2) * (window // 2), drop_path)
            for i, drop_path in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(channels) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, H, W, C) after all blocks, not downsampled."""
        height, width = (-(-side // self.window) * self.window for side in x.shape[1:3])
        mask = shift_mask((height, width), self.window, self.window // 2, x.device)
        for block in self.blocks:
            if self.use_checkpoint and self.training:
                x = checkpoint(block, x, mask, use_reentrant=False)
            else:
                x = block(x, mask)
        return x


class PatchEmbed(nn.Module):
    """An image as a map of patches of 4 x 4 pixels."""

    def __init__(self, channels: int):
        super().__init__()
        self.proj = nn.Conv2d(3, channels, _PATCH, stride=_PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map (B, H / 4, W / 4, C) of images (B, 3, H, W), padded by zeros."""
        x = pad_to_multiple(images.permute(0, 2, 3, 1), _PATCH)
        return self.norm(self.proj(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


def pad_to_multiple(x: Tensor, divisor: int) -> Tensor:
    """Return a map (B, H, W, C) padded by zeros at the bottom and right."""
    h, w = x.shape[1:3]
    return F.pad(x, (0, 0, 0, -w % divisor, 0, -h % divisor))


class SwinTransformer(Backbone):
    """Feature maps ``swin{stage}`` of the stages 0 to 3, strides 4 to 32."""

    def __init__(
        self, *, size: SwinSize, out_stages: Sequence[int] = (1, 2, 3), use_checkpoint: bool = False
    ):
        """``use_checkpoint``: recompute activations in the backward pass to save memory."""
        super().__init__()
        rates = torch.linspace(0, size.drop_path, sum(size.depths)).split(list(size.depths))
        self.patch_embed = PatchEmbed(size.channels)
        stages = [
            SwinStage(
                channels=size.channels * 2**i,
                heads=size.heads[i],
                window=size.window,
                drop_paths=rates[i].tolist(),
                downsample=i < len(size.depths) - 1,
                use_checkpoint=use_checkpoint,
            )
            for i in range(len(size.depths))
        ]
        self.layers = nn.ModuleList(stages)
        self.out_stages = tuple(out_stages)
        for i in self.out_stages:
            self.add_module(f"norm{i}", nn.LayerNorm(size.channels * 2**i))
        self._output_shape = {
            f"swin{i}": ShapeSpec(channels=size.channels * 2**i, stride=_PATCH * 2**i)
            for i in self.out_stages
        }
        self.apply(_init_linear)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return maps (B, C, H / stride, W / stride) by name for images (B, 3, H, W)."""
        x = self.patch_embed(images)
        maps: dict[str, Tensor] = {}
        for i, stage in enumerate(self.layers):
            assert isinstance(stage, SwinStage)
            x = stage(x)
            if i in self.out_stages:
                maps[f"swin{i}"] = getattr(self, f"norm{i}")(x).permute(0, 3, 1, 2).contiguous()
            if stage.downsample is not None:
                x = stage.downsample(x)
        return maps

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self._output_shape

    @property
    def size_divisibility(self) -> int:
        return 32


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@BACKBONE_REGISTRY.register()
def build_swintransformer_backbone(cfg, input_shape: ShapeSpec) -> SwinTransformer:
    """Return the Swin Transformer of ``MODEL.SWIN.SIZE``."""
    node = cfg.MODEL.SWIN
    if node.SIZE not in SWIN_SIZES:
        raise InputError(f"unknown MODEL.SWIN.SIZE {node.SIZE!r}; choose {', '.join(SWIN_SIZES)}")
    return SwinTransformer(
        size=SWIN_SIZES[node.SIZE],
        out_stages=node.OUT_FEATURES,
        use_checkpoint=node.USE_CHECKPOINT,
    )


@BACKBONE_REGISTRY.register()
def build_swintransformer_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """Return the Swin Transformer under a pyramid P3-P7."""
    return build_fpn(cfg, build_swintransformer_backbone(cfg, input_shape), with_p6_p7=True)
