"""The augmentations: flips and resizes, and those of cropping.py and photometric.py.

All draw from `np.random` in a fixed order, so a seed gives the same pictures everywhere.
"""

import sys
from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import HFlipTransform, NoOpTransform, Transform, VFlipTransform
from PIL import Image

from .augmentation import Augmentation, RandomApply
from .cropping import FixedSizeCrop, RandomCrop
from .photometric import RandomBrightness, RandomContrast, RandomSaturation
from .transform import ResizeTransform

__all__ = [
    "FixedSizeCrop",
    "RandomApply",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomSaturation",
    "Resize",
    "ResizeScale",
    "ResizeShortestEdge",
]

BILINEAR = Image.Resampling.BILINEAR


class RandomFlip(Augmentation):
    """Mirrors the image with a given probability.

    Args:
        prob: in [0, 1].
        horizontal: swap left and right.
        vertical: swap top and bottom; exactly one of the two is set.
    """

    def __init__(
        self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False
    ) -> None:
        if horizontal == vertical:
            raise ValueError(
                "RandomFlip mirrors in one direction: set either horizontal or vertical; use two "
                "of them for both"
            )
        self.prob = prob
        self.horizontal = horizontal
        self.vertical = vertical

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns a flip, or a transform that does nothing."""
        height, width = image.shape[:2]
        if self._rand_range() >= self.prob:
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class Resize(Augmentation):
    """Resizes to a fixed size, whatever the aspect ratio.

    Args:
        shape: (height, width) in pixels, or one number for both.
        interp: PIL resampling filter.
    """

    def __init__(self, shape: int | tuple[int, int], interp: Image.Resampling = BILINEAR) -> None:
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns the resize from the size of the image."""
        return ResizeTransform(*image.shape[:2], *self.shape, self.interp)


class ResizeShortestEdge(Augmentation):
    """Resizes the shorter side to a drawn length, keeping the aspect ratio.

    Args:
        short_edge_length: [lowest, highest] for "range", all lengths for "choice", or a number.
            A length of 0 leaves the image as it is.
        max_size: the longer side is not made longer than this, in pixels.
        sample_style: "range" draws any integer between the two, "choice" one from the list.
        interp: PIL resampling filter.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int],
        max_size: int = sys.maxsize,
        sample_style: str = "range",
        interp: Image.Resampling = BILINEAR,
    ) -> None:
        if sample_style not in ("range", "choice"):
            raise ValueError(f"unknown sample_style {sample_style!r}; choose 'range' or 'choice'")
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        if sample_style == "range" and len(short_edge_length) != 2:
            raise ValueError(
                "sample_style 'range' needs the lowest and the highest short_edge_length, got "
                f"{short_edge_length}; use 'choice' to draw from a list"
            )
        self.short_edge_length = short_edge_length
        self.max_size = max_size
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns the resize to a drawn length."""
        height, width = image.shape[:2]
        length = self._draw_length()
        if length == 0:
            return NoOpTransform()
        new_h, new_w = self.get_output_shape(height, width, length, self.max_size)
        return ResizeTransform(height, width, new_h, new_w, self.interp)

    def _draw_length(self) -> int:
        if self.sample_style == "choice":
            return np.random.choice(self.short_edge_length)
        lowest, highest = self.short_edge_length
        return np.random.randint(lowest, highest + 1)

    @staticmethod
    def get_output_shape(
        oldh: int, oldw: int, short_edge_length: int, max_size: int
    ) -> tuple[int, int]:
        """Returns (height, width) after the resize.

        480 x 640 with 800 and 1333 gives 800 x 1067; 400 x 1000 gives 533 x 1333.
        """
        scale = short_edge_length / min(oldh, oldw)
        if oldh < oldw:
            new_h, new_w = short_edge_length, oldw * scale
        else:
            new_h, new_w = oldh * scale, short_edge_length
        if max(new_h, new_w) > max_size:
            shrink = max_size / max(new_h, new_w)
            new_h, new_w = new_h * shrink, new_w * shrink
        return int(new_h + 0.5), int(new_w + 0.5)


class ResizeScale(Augmentation):
    """Resizes to fit into a target rectangle that is scaled by a drawn factor.

    With a FixedSizeCrop after it, this is large-scale jittering.

    Args:
        min_scale, max_scale: the factor is uniform between the two.
        target_height, target_width: the rectangle at factor 1, in pixels.
        interp: PIL resampling filter.

    Source: Ghiasi et al., Simple Copy-Paste, arXiv 2012.07177, section 3.
    """

    def __init__(
        self,
        min_scale: float,
        max_scale: float,
        target_height: int,
        target_width: int,
        interp: Image.Resampling = BILINEAR,
    ) -> None:
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.target_height = target_height
        self.target_width = target_width
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns the resize with a drawn factor."""
        height, width = image.shape[:2]
        factor = np.random.uniform(self.min_scale, self.max_scale)
        scale = min(factor * self.target_height / height, factor * self.target_width / width)
        new_h, new_w = (int(n) for n in np.round([height * scale, width * scale]))
        return ResizeTransform(height, width, new_h, new_w, self.interp)
