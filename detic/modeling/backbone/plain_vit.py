"""Plain vision transformers of timm under a simple feature pyramid. Importing loads timm.

Shapes: B images, C channels of the transformer, C_l channels of level l.
"""

from collections.abc import Sequence
from typing import Any

import timm
from timm.layers import LayerNorm2d
from timm.models import is_model_in_modules
from torch import Tensor, nn

from detic.errors import InputError

PATCH_SIDE = 16  # pixels; timm resamples the weights of other patches
_FAMILIES = ("vision_transformer", "deit", "eva")  # modules of timm: ViT, DINOv2, SigLIP; DINOv3
_LEVELS = (2, 3, 4, 5)


def is_plain_vit(name: str) -> bool:
    """Return whether a model of timm is a transformer on patches of one size."""
    return is_model_in_modules(name, _FAMILIES)


class PlainViT(nn.Module):
    """Maps of several strides, made of the last map of a plain transformer.

    Args:
        name: a model of timm for which ``is_plain_vit`` holds.
        out_levels: numbers of the maps to return, 2 to 5, one of 4 and 5 at least; level l has
            stride ``2 ** l``.
        pretrained: load timm's weights.

    Source: Exploring Plain Vision Transformer Backbones for Object Detection (arXiv 2203.16527),
    section 3.
    """

    def __init__(self, name: str, out_levels: Sequence[int], pretrained: bool = False):
        super().__init__()
        # Images are padded to the largest stride, which has to be that of the patches or more.
        if not set(out_levels) <= set(_LEVELS) or max(out_levels) < 4:
            raise InputError(
                f"MODEL.TIMM.OUT_LEVELS is {list(out_levels)}; {name} is a plain transformer: choose "
                "from its levels 2 to 5 (strides 4 to 32), 4 or 5 among them"
            )
        self.vit: Any = timm.create_model(
            name,
            pretrained=pretrained,
            num_classes=0,
            global_pool="",
            patch_size=PATCH_SIDE,
            dynamic_img_size=True,
        )
        width = self.vit.embed_dim
        self.pyramid = nn.ModuleList(_resampling(level, width) for level in out_levels)
        self.shapes = [(_channels(level, width), 2**level) for level in out_levels]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return maps (B, C_l, H / stride_l, W / stride_l) of images (B, 3, H, W).

        H and W are multiples of 32.
        """
        (last,) = self.vit.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )  # (B, C, H / 16, W / 16)
        return [resample(last) for resample in self.pyramid]


def _resampling(level: int, width: int) -> nn.Module:
    """Return what makes the map of a level from the one of stride 16."""
    if level == 2:
        return nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 2, stride=2),
            LayerNorm2d(width // 2),
            nn.GELU(),
            nn.ConvTranspose2d(width // 2, width // 4, 2, stride=2),
        )
    if level == 3:
        return nn.ConvTranspose2d(width, width // 2, 2, stride=2)
    return nn.Identity() if level == 4 else nn.MaxPool2d(2)


def _channels(level: int, width: int) -> int:
    return {2: width // 4, 3: width // 2}.get(level, width)
