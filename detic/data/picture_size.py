"""The size of a picture, read from its header."""

import struct
import zlib
from typing import BinaryIO

from PIL import Image

# What Pillow's decoders raise for damaged files
PICTURE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height


def picture_size_hw(file: BinaryIO) -> tuple[int, int]:
    """Return (height, width) in pixels, after turning the picture as its EXIF data ask.

    Raises:
        PICTURE_ERRORS: it is no picture that Pillow can open.
    """
    with Image.open(file) as picture:
        width, height = picture.size
        if picture.getexif().get(ORIENTATION) in SIDEWAYS:
            return width, height
        return height, width
