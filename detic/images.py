"""The size of an image, read from its header."""

import struct
import zlib
from typing import BinaryIO

from PIL import Image

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
ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height


def read_image_size(file: BinaryIO) -> tuple[int, int]:
    """Return (height, width) in pixels, after turning the image as its EXIF data ask.

    Raises:
        IMAGE_ERRORS: it is no image that Pillow can open.
    """
    with Image.open(file) as image:
        width, height = image.size
        if image.getexif().get(ORIENTATION) in SIDEWAYS:
            return width, height
        return height, width
