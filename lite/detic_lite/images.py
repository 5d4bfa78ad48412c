"""Images, from files to what a graph takes.

Shapes: H x W image, h x w resized image without filling.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from detic_lite.errors import InputError, first_line
from detic_lite.metadata import ModelMetadata

ImageLike = str | os.PathLike | Image.Image | np.ndarray
_LARGEST_16_BIT = 65535
_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class NetworkInput(NamedTuple):
    """An image as a graph takes it."""

    pixels: np.ndarray  # (H, W, 3) uint8, in the graph's channel order
    size_hw: tuple[int, int]  # h, w: the rest is filling


def load_image(image: ImageLike) -> Image.Image:
    """Return an image of Pillow's in mode RGB, upright as its EXIF data say.

    Args:
        image: a path, an image of Pillow's, or an array of uint8: (H, W, 3) in BGR order as OpenCV reads
            it, (H, W, 4), whose last channel is left out, or (H, W) or (H, W, 1), which is grey.

    Raises:
        InputError: it cannot be read, or is of another kind.
    """
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Image.Image):
        return _decoded(image, "the image")
    path = Path(image)
    if not path.is_file():
        raise InputError(f"there is no image {path}")
    try:
        opened = Image.open(path)
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no image, or it is damaged") from error
    except Exception as error:
        raise InputError(f"cannot read the image {path}: {first_line(error)}") from error
    with opened:
        return _decoded(opened, f"the image {path}")


def network_input(image: Image.Image, metadata: ModelMetadata) -> NetworkInput:
    """Return an image, resized and filled up as the graph wants it."""
    height, width = resized_hw(image.height, image.width, metadata)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    smallest = metadata.min_side_px
    sides = metadata.fixed_size_hw or (max(height, smallest), max(width, smallest))
    if sides != (height, width):
        filled = Image.new("RGB", sides[::-1], metadata.fill_rgb)
        filled.paste(resized)
        resized = filled
    pixels = np.asarray(resized)
    if metadata.channel_order == "BGR":
        pixels = pixels[:, :, ::-1]
    return NetworkInput(np.ascontiguousarray(pixels), (height, width))


def resized_hw(height: int, width: int, metadata: ModelMetadata) -> tuple[int, int]:
    """Return the sides of an image after the resize, at least one pixel each.

    480 x 640 with a short side of 800 and at most 1333 gives 800 x 1067; 400 x 1000 gives 533 x 1333.
    """
    short, longest = metadata.short_side_px, metadata.max_side_px
    if metadata.fixed_size_hw is not None:
        scale = min(metadata.fixed_size_hw[0] / height, metadata.fixed_size_hw[1] / width)
        sides = (height * scale, width * scale)
    elif short == 0:
        return height, width
    else:
        scale = short / min(height, width)
        sides = (short, width * scale) if height < width else (height * scale, short)
        if max(sides) > longest:
            shrink = longest / max(sides)
            sides = (sides[0] * shrink, sides[1] * shrink)
    return max(1, int(sides[0] + 0.5)), max(1, int(sides[1] + 0.5))


def _from_array(image: np.ndarray) -> Image.Image:
    pixels = image[:, :, None] if image.ndim == 2 else image
    is_image = pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4) and pixels.size > 0
    if not is_image or image.dtype != np.uint8:
        raise InputError(
            "an image must be a path, an image of Pillow's, or an array (height, width, 3) of uint8 in "
            f"BGR order, not an array {image.shape} of {image.dtype}"
        )
    if pixels.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0])).convert("RGB")
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 2::-1]))


def _decoded(image: Image.Image, name: str) -> Image.Image:
    """Return an image upright and in mode RGB.

    Raises:
        InputError: it is damaged.
    """
    try:
        image.load()
        turn = _TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
            upright = _eight_bit(upright)
        rgb = upright.convert("RGB")
        rgb.info.clear()  # it would turn the image again, and compress drawings as the image was
        return rgb
    except Exception as error:  # decoders raise errors of all kinds for damaged files
        raise InputError(f"cannot read {name}: {first_line(error)}") from error


def _orientation(image: Image.Image) -> int:
    """Return how the EXIF data say that an image is turned; 1, upright, where they are damaged."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # they raise errors of many kinds, and the pixels need none
        return 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits or more, scaled down; Pillow would cut it off at 255.

    Larger values, negative ones and fractions become 0 to 255 from the darkest to the brightest.
    """
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        values = np.where(np.isfinite(values), values, 0)
    has_16_bits = image.mode != "F" and values.min() >= 0 and values.max() <= _LARGEST_16_BIT
    limits = (0, _LARGEST_16_BIT) if has_16_bits else (values.min(), values.max())
    return Image.fromarray(np.interp(values, limits, (0, 255)).round().astype(np.uint8))
