"""Flips, resizes, crops and changes of colour. Sizes are (height, width), pixels or fractions.

All draw from `np.random` in a fixed order, so a seed gives the same images everywhere.
"""

import sys
from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import (
    BlendTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    Transform,
    TransformList,
    VFlipTransform,
)
from PIL import Image

from ._crop import CropTransform
from .augmentation import AugInput, Augmentation, _to_augmentation
from .transform import ResizeTransform

_BILINEAR = Image.Resampling.BILINEAR


# Principal components of RGB in ImageNet: standard deviations, and directions in the columns.
# Source: Krizhevsky et al., ImageNet classification with deep convolutional networks, section 4.1.
_COLOUR_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])
_COLOUR_DIRECTIONS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_LUMINANCE_OF_RGB = np.array([0.299, 0.587, 0.114])
_CROP_TRIALS = 10


class RandomApply(Augmentation):
    """Another augmentation or transform, with a given probability."""

    def __init__(self, tfm_or_aug: Augmentation | Transform, prob: float = 0.5) -> None:
        self.aug = _to_augmentation(tfm_or_aug)
        self.prob = prob

    def get_transform(self, *args) -> Transform:
        return self.aug.get_transform(*args) if self._is_drawn() else NoOpTransform()

    def __call__(self, aug_input: AugInput) -> Transform:
        """Return the transform drawn, after transforming the input in place with it."""
        return self.aug(aug_input) if self._is_drawn() else NoOpTransform()

    def _is_drawn(self) -> bool:
        return np.random.uniform() < self.prob


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
        interp: Image.Resampling = _BILINEAR,
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


class Resize(Augmentation):
    """Resizes to a fixed (height, width), or a square of that side."""

    def __init__(self, shape: int | tuple[int, int], interp: Image.Resampling = _BILINEAR) -> None:
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        return ResizeTransform(*image.shape[:2], *self.shape, self.interp)


class RandomResize(Augmentation):
    """Resizes to one of several (height, width)."""

    def __init__(
        self, shape_list: Sequence[tuple[int, int]], interp: Image.Resampling = _BILINEAR
    ) -> None:
        self.shape_list = shape_list
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        shape = self.shape_list[np.random.randint(len(self.shape_list))]
        return ResizeTransform(*image.shape[:2], *shape, self.interp)


class ResizeScale(Augmentation):
    """Resizes to fit into a target that is scaled by a random factor, keeping the aspect ratio.

    With `FixedSizeCrop` after it, it is the large-scale jitter of Copy-Paste (arXiv 2012.07177).

    Args:
        min_scale, max_scale: range of the factor.
        target_height, target_width: in pixels.
    """

    def __init__(
        self,
        min_scale: float,
        max_scale: float,
        target_height: int,
        target_width: int,
        interp: Image.Resampling = _BILINEAR,
    ) -> None:
        self.min_scale, self.max_scale = min_scale, max_scale
        self.target_height, self.target_width = target_height, target_width
        self.interp = interp

    def get_transform(self, image: np.ndarray) -> Transform:
        height, width = image.shape[:2]
        scale = np.random.uniform(self.min_scale, self.max_scale)
        ratio = min(scale * self.target_height / height, scale * self.target_width / width)
        new_h, new_w = (int(np.round(side * ratio)) for side in (height, width))
        return ResizeTransform(height, width, new_h, new_w, self.interp)


class FixedSizeCrop(Augmentation):
    """Cuts out a rectangle of a fixed size, and fills up images that are smaller.

    Args:
        crop_size: (height, width) in pixels.
        pad: add a border at the bottom and right of images that are smaller.
        pad_value: of the border in the image.
        seg_pad_value: of the border in label maps.
    """

    def __init__(
        self,
        crop_size: tuple[int, int],
        pad: bool = True,
        pad_value: float = 128.0,
        seg_pad_value: int = 255,
    ) -> None:
        self.crop_size = crop_size
        self.pad = pad
        self.pad_value = pad_value
        self.seg_pad_value = seg_pad_value

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the crop, and the border; one random number places the crop on both axes."""
        height, width = image.shape[:2]
        crop_h, crop_w = min(height, self.crop_size[0]), min(width, self.crop_size[1])
        position = np.random.uniform(0.0, 1.0)
        top, left = (int(np.round(r * position)) for r in (height - crop_h, width - crop_w))
        crop = CropTransform(left, top, crop_w, crop_h, orig_w=width, orig_h=height)
        if not self.pad:
            return crop
        border = (0, 0, self.crop_size[1] - crop_w, self.crop_size[0] - crop_h)
        values = {"pad_value": self.pad_value, "seg_pad_value": self.seg_pad_value}
        return TransformList([crop, PadTransform(*border, crop_w, crop_h, **values)])


class RandomCrop(Augmentation):
    """Cuts a random rectangle out of the image.

    Polygons are cut as well; see `CropTransform`.

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


class RandomCrop_CategoryAreaConstraint(Augmentation):
    """A `RandomCrop` in which no label should cover too much; the last of ten trials is taken.

    Args:
        crop_type, crop_size: see `RandomCrop`.
        single_category_max_area: largest fraction of the crop for one label; 1 accepts any crop.
        ignored_category: a label that does not count.
    """

    def __init__(
        self,
        crop_type: str,
        crop_size: tuple[float, float],
        single_category_max_area: float = 1.0,
        ignored_category: int | None = None,
    ) -> None:
        self.crop_aug = RandomCrop(crop_type, crop_size)
        self.single_category_max_area = single_category_max_area
        self.ignored_category = ignored_category

    def get_transform(self, image: np.ndarray, sem_seg: np.ndarray) -> Transform:
        for _ in range(_CROP_TRIALS):
            crop = self.crop_aug.get_transform(image)
            if self.single_category_max_area >= 1 or self._is_mixed(crop.apply_image(sem_seg)):
                break
        return crop

    def _is_mixed(self, labels: np.ndarray) -> bool:
        categories, areas = np.unique(labels, return_counts=True)
        areas = areas[categories != self.ignored_category]
        return len(areas) > 1 and areas.max() < areas.sum() * self.single_category_max_area


class _RandomIntensity(Augmentation):
    """Multiplies the distance from a reference image by a random factor."""

    def __init__(self, intensity_min: float, intensity_max: float) -> None:
        """Take the range of the factor; 1 leaves the image as it is, 0 gives the reference."""
        self.intensity_min = intensity_min
        self.intensity_max = intensity_max

    def get_transform(self, image: np.ndarray) -> Transform:
        factor = np.random.uniform(self.intensity_min, self.intensity_max)
        return BlendTransform(self._reference(image), src_weight=1 - factor, dst_weight=factor)

    def _reference(self, image: np.ndarray):
        raise NotImplementedError


class RandomContrast(_RandomIntensity):
    """Changes the contrast: 0 is the mean of all pixels and channels everywhere."""

    def _reference(self, image: np.ndarray) -> float:
        return image.mean()


class RandomBrightness(_RandomIntensity):
    """Changes the brightness: 0 is black."""

    def _reference(self, image: np.ndarray) -> float:
        return 0.0


class RandomSaturation(_RandomIntensity):
    """Changes the saturation of an RGB image: 0 is grey."""

    def _reference(self, image: np.ndarray) -> np.ndarray:
        if image.shape[-1] != 3:
            raise ValueError(f"saturation needs an RGB image, got the shape {image.shape}")
        return image.dot(_LUMINANCE_OF_RGB)[:, :, None]


class RandomLighting(Augmentation):
    """Adds the principal components of RGB in ImageNet, times random numbers.

    Args:
        scale: standard deviation of those numbers.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def get_transform(self, image: np.ndarray) -> Transform:
        if image.shape[-1] != 3:
            raise ValueError(f"lighting needs an RGB image, got the shape {image.shape}")
        weights = np.random.normal(scale=self.scale, size=3)
        colour = _COLOUR_DIRECTIONS.dot(weights * _COLOUR_DEVIATIONS)
        return BlendTransform(colour, src_weight=1.0, dst_weight=1.0)
