"""Random crops. Sizes are (height, width) in pixels or fractions."""

import numpy as np
from fvcore.transforms.transform import CropTransform, PadTransform, Transform, TransformList

from .augmentation import Augmentation


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
        if crop_type not in CROP_SIZES:
            raise ValueError(f"unknown crop type {crop_type!r}; choose {', '.join(CROP_SIZES)}")
        if crop_type == "absolute_range" and crop_size[0] > crop_size[1]:
            raise ValueError(
                f"crop_size of 'absolute_range' is (lowest, highest), got {tuple(crop_size)}"
            )
        self.crop_type = crop_type
        self.crop_size = crop_size

    def get_transform(self, image: np.ndarray) -> Transform:
        """Returns the crop: draws its size, then its top, then its left edge."""
        height, width = image.shape[:2]
        crop_h, crop_w = self.get_crop_size((height, width))
        top = np.random.randint(height - crop_h + 1)
        left = np.random.randint(width - crop_w + 1)
        return CropTransform(left, top, crop_w, crop_h, orig_w=width, orig_h=height)

    def get_crop_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Returns (height, width) of a crop for an image of the given size, in pixels."""
        crop_h, crop_w = CROP_SIZES[self.crop_type](image_size, self.crop_size)
        if crop_h > image_size[0] or crop_w > image_size[1]:
            raise ValueError(
                f"crop of type {self.crop_type!r} and size {tuple(self.crop_size)} is larger than "
                f"the image, {crop_h}x{crop_w} of {image_size[0]}x{image_size[1]}; fractions are "
                "at most 1"
            )
        return crop_h, crop_w


def _relative(image_size: tuple[int, int], fraction: tuple[float, float]) -> tuple[int, int]:
    crop_h, crop_w = (int(side * f + 0.5) for side, f in zip(image_size, fraction, strict=True))
    return crop_h, crop_w


def _relative_range(image_size: tuple[int, int], fraction: tuple[float, float]) -> tuple[int, int]:
    lowest = np.asarray(fraction, dtype=np.float32)
    return _relative(image_size, lowest + np.random.rand(2) * (1 - lowest))


def _absolute(image_size: tuple[int, int], crop_size: tuple[int, int]) -> tuple[int, int]:
    return min(crop_size[0], image_size[0]), min(crop_size[1], image_size[1])


def _absolute_range(image_size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    lowest, highest = limits
    crop_h, crop_w = (
        np.random.randint(min(side, lowest), min(side, highest) + 1) for side in image_size
    )
    return crop_h, crop_w


CROP_SIZES = {
    "relative": _relative,
    "relative_range": _relative_range,
    "absolute": _absolute,
    "absolute_range": _absolute_range,
}


class FixedSizeCrop(Augmentation):
    """Cuts out a random rectangle of one size, padding images that are smaller.

    Args:
        crop_size: (height, width) of the result in pixels.
        pad: whether to pad, at the bottom and the right.
        pad_value: colour of the padding.
        seg_pad_value: label of the padding.
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

    def get_transform(self, image: np.ndarray) -> TransformList:
        """Returns the crop and the padding."""
        crop = self._crop(image.shape[:2])
        return TransformList([crop, self._padding(crop)] if self.pad else [crop])

    def _crop(self, image_size: tuple[int, int]) -> CropTransform:
        (height, width), (target_h, target_w) = image_size, self.crop_size
        # One number for both directions: crops lie on the diagonal of where they could be.
        position = np.random.uniform(0.0, 1.0)
        top = int(np.round(max(height - target_h, 0) * position))
        left = int(np.round(max(width - target_w, 0) * position))
        crop_h, crop_w = min(height, target_h), min(width, target_w)
        return CropTransform(left, top, crop_w, crop_h, orig_w=width, orig_h=height)

    def _padding(self, crop: CropTransform) -> PadTransform:
        return PadTransform(
            0,
            0,
            self.crop_size[1] - crop.w,
            self.crop_size[0] - crop.h,
            orig_w=crop.w,
            orig_h=crop.h,
            pad_value=self.pad_value,
            seg_pad_value=self.seg_pad_value,
        )
