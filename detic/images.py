"""Images in files: which they are, their pixels, their sizes.

Whoever reads an image, for training, evaluation, drawing or a report, reads it here.

Shapes: H x W image.
"""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from detectron2.utils.file_io import PathManager
from PIL import Image, ImageFile

from detic.files import is_hidden

# What Pillow's decoders raise for damaged files
IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
IMAGE_SUFFIXES = frozenset(
    (
        *(".avif", ".bmp", ".gif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg"),
        *(".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
CHANNEL_ORDERS = ("BGR", "RGB")
LARGEST_16_BIT = 65535  # 257 * 255
WITH_DEEP_GREY = ("I", "F")  # and I;16 with its kin: Pillow's modes of more than 8 bits

ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_image_name(name: str) -> bool:
    """Return whether a file name ends like that of an image.

    Hidden files are none: macOS leaves a ``._x.jpg`` beside x.jpg, which holds no image.
    """
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not is_hidden(name)


def read_image(source: str | os.PathLike | bytes, channel_order: str) -> np.ndarray:
    """Return an image, (H, W, 3) uint8, upright as its EXIF data say.

    Grey values of 16 bits are divided by 257. Larger ones, negative ones and fractions have no white
    of their own: the darkest of an image becomes 0, the brightest 255.

    Args:
        source: a path or address that PathManager opens, or the content of a file.
        channel_order: BGR or RGB.

    Raises:
        IMAGE_ERRORS: it is missing, damaged or cut short, or no image that Pillow can open.
    """
    if not isinstance(source, bytes):
        with PathManager.open(os.fspath(source), "rb") as file:
            return _pixels(file, channel_order)
    return _pixels(io.BytesIO(source), channel_order)


def read_image_size(file: BinaryIO) -> tuple[int, int]:
    """Return (height, width) in pixels, after turning the image as its EXIF data ask.

    The header tells, but for PNG and TIFF: the EXIF data of a PNG may follow its pixels, and TIFF
    images are turned as they are decoded.

    Raises:
        IMAGE_ERRORS: it is no image that Pillow can open.
    """
    with Image.open(file) as image:
        if image.format in ("PNG", "TIFF"):
            image.load()
        width, height = image.size
        return (width, height) if _orientation(image) in SIDEWAYS else (height, width)


def _pixels(file: BinaryIO, channel_order: str) -> np.ndarray:
    with Image.open(file) as image, _whole_files_only():
        image.load()
        turn = TURNS.get(_orientation(image) or 0)
        upright = image if turn is None else image.transpose(turn)
        pixels = np.asarray(_eight_bit(upright).convert("RGB"))
    return np.ascontiguousarray(pixels[:, :, ::-1]) if channel_order == "BGR" else pixels


@contextmanager
def _whole_files_only() -> Iterator[None]:
    """Have Pillow raise for files that end too early, also where another library told it not to."""
    if not ImageFile.LOAD_TRUNCATED_IMAGES:
        yield
        return
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = True


def _orientation(image: Image.Image) -> int | None:
    """Return how the EXIF data say an image is turned; None where they do not or are damaged."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged EXIF data raise errors of many kinds, and the pixels need none
        return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return the image, grey values of more than 8 bits scaled down; see read_image.

    Pillow itself would cut them off at 255.
    """
    if image.mode not in WITH_DEEP_GREY and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        values = np.where(np.isfinite(values), values, 0)
    has_16_bits = image.mode != "F" and values.min() >= 0 and values.max() <= LARGEST_16_BIT
    limits = (0, LARGEST_16_BIT) if has_16_bits else (values.min(), values.max())
    return Image.fromarray(np.interp(values, limits, (0, 255)).round().astype(np.uint8))
