"""Flips, resizes and crops. Sizes are (height, width) in pixels or fractions.

All draw from `np.random` in a fixed order, so a seed gives the same images everywhere.
"""

import sys
from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import (
    CropTransform,
    HFlipTransform,
    NoOpTransform,
    Transform,
    VFlipTransform,
)
from PIL import Image

from .augmentation import Augmentation
from .transform import ResizeTransform

BILINEAR = Image.Resampling.BILINEAR


class RandomFlip(Augmentation):
    """Mirrors the image with a given probability, either left to right or top to bottom."""

    def __init__(
        self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False
    ) -> None:
        if horizontal == vertical:
            raise ValueError("RandomFlip mirrors in one direction, horizontal or vertical")
        self.prob = prob
        self.horizontal = horizontal
        self.vertical = vertical

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        if np.random.uniform() >= self.prob:
            return NoOpTransform()
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


class ResizeShortestEdge(Augmentation):
    """Resizes the shorter side to a drawn length, keeping the aspect ratio.

    Args:
        short_edge_length: [lowest, highest] for "range", all lengths for "choice", or a number.
            A length of 0 leaves the image as it is.
        max_size: the longer side is not made longer than this, in pixels.
        sample_style: "range" draws any integer between the two, "choice" one from the list.
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
        self.short_edge_length = short_edge_length
        self.max_size = max_size
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        if self.sample_style == "choice":
            length = np.random.choice(self.short_edge_length)
        else:
            lowest, highest = self.short_edge_length
            length = np.random.randint(lowest, highest + 1)
        if length == 0:
            return NoOpTransform()
        new_h, new_w = self.get_output_shape(height, width, length, self.max_size)
        return ResizeTransform(height, width, new_h, new_w, self.interp)

    @staticmethod
    def get_output_shape(
        oldh: int, oldw: int, short_edge_length: int, max_size: int
    ) -> tuple[int, int]:
        """Return (height, width) after the resize.

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


class RandomCrop(Augmentation):
    """Cuts a random rectangle out of the image.

    Polygon masks are cut too, for which fvcore needs the package `shapely`.

    Args:
        crop_type: one of
            "relative": crop_size is a fraction of the image;
            "relative_range": each side is a drawn fraction between crop_size and 1;
            "absolute": crop_size in pixels, limited to the image;
            "absolute_range": each side is drawn between crop_size[0] and crop_size[1] pixels,
            limited to the image.
        crop_size: (height, width), or (lowest, highest) for "absolute_range".
    """

    def __init__(self, crop_type: str, crop_size: tuple[float, float]) -> None:
        if crop_type not in ("relative", "relative_range", "absolute", "absolute_range"):
            raise ValueError(
                f"unknown crop type {crop_type!r}; choose relative, relative_range, absolute or "
                "absolute_range"
            )
        self.crop_type = crop_type
        self.crop_size = crop_size

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the crop: draws its size, then its top, then its left edge."""
        height, width = image.shape[:2]
        crop_h, crop_w = self.get_crop_size((height, width))
        top = np.random.randint(height - crop_h + 1)
        left = np.random.randint(width - crop_w + 1)
        return CropTransform(left, top, crop_w, crop_h, orig_w=width, orig_h=height)

    def get_crop_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) of a crop for an image of the given size, in pixels."""
        height, width = image_size
        if self.crop_type == "absolute":
            return min(self.crop_size[0], height), min(self.crop_size[1], width)
        if self.crop_type == "absolute_range":
            lowest, highest = self.crop_size
            crop_h = np.random.randint(min(height, lowest), min(height, highest) + 1)
            crop_w = np.random.randint(min(width, lowest), min(width, highest) + 1)
            return crop_h, crop_w
        fraction_h, fraction_w = self.crop_size
        if self.crop_type == "relative_range":
            lowest = np.asarray(self.crop_size, dtype=np.float32)
            fraction_h, fraction_w = lowest + np.random.rand(2) * (1 - lowest)
        return int(height * fraction_h + 0.5), int(width * fraction_w + 0.5)
