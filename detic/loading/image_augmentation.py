"""Augmenting an image, from what Pillow has decoded to what the model takes.

Shapes: H x W image.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from detectron2.data import transforms as T
from fvcore.transforms.transform import Transform, TransformList
from PIL import Image

from detic.images import image_pixels
from detic.loading.augmentation import EfficientDetResizeCrop, KeepSides, ResizeCropTransform
from detic.loading.image_reader import shape_only


class Augmented(NamedTuple):
    """An augmented image, and what was done to it."""

    image: torch.Tensor  # (3, H, W) uint8
    transforms: TransformList


def _resized(transform: T.ResizeTransform, image: Image.Image) -> Image.Image:
    return image.resize((transform.new_w, transform.new_h), transform.interp)


# What transforms do to images of Pillow's: the same as to arrays
_ON_PILLOW: dict[type, Callable[..., Image.Image]] = {
    ResizeCropTransform: ResizeCropTransform.resize_window,
    T.ResizeTransform: _resized,
    T.HFlipTransform: lambda _, image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    T.VFlipTransform: lambda _, image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    T.NoOpTransform: lambda _, image: image,
}
# Augmentations that look at the size of an image alone, and whose transforms are among these
_BY_SIZE = (EfficientDetResizeCrop, KeepSides, T.ResizeShortestEdge, T.RandomFlip)


def augment(
    image: Image.Image, steps: Sequence[T.Augmentation | Transform], channel_order: str
) -> Augmented:
    """Return an image after some steps.

    The usual ones are done without arrays of pixels in between.

    Args:
        image: in mode RGB.
        channel_order: of the result, and of the arrays that other augmentations look at: RGB or BGR.
    """
    if not all(type(step) in (*_BY_SIZE, *_ON_PILLOW) for step in steps):
        aug_input = T.AugInput(image_pixels(image, channel_order))
        transforms = T.AugmentationList(steps)(aug_input)
        planes = np.array(aug_input.image.transpose(2, 0, 1), order="C")
        return Augmented(torch.from_numpy(planes), transforms)
    drawn = []
    for step in steps:
        transform = step if type(step) in _ON_PILLOW else step.get_transform(shape_only(image))
        image = _ON_PILLOW[type(transform)](transform, image)
        drawn.append(transform)
    return Augmented(_planes(image, channel_order), TransformList(drawn))


def _planes(image: Image.Image, channel_order: str) -> torch.Tensor:
    """Return an image in mode RGB as (3, H, W) uint8, with memory of its own."""
    channels = bytearray().join(image.tobytes("raw", channel) for channel in channel_order)
    return torch.frombuffer(channels, dtype=torch.uint8).reshape(3, image.height, image.width)
