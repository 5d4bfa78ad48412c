"""The images of requests: how large they are is known before they are decoded."""

import numpy as np
from PIL import Image

from detic.errors import InputError
from detic.images import IMAGE_ERRORS, read_header, read_image
from detic.serving.limits import HTTPError, Limits

# What browsers and cameras write. Pillow knows more, some through other programs.
FORMATS = frozenset(("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP"))
BYTES_PER_PIXEL = 3


def check_header(content: bytes, limits: Limits) -> int:
    """Return the number of pixels of an image that is not decoded.

    Raises:
        HTTPError: it is no image, of another format, or too large.
    """
    if not content:
        raise HTTPError(400, "there is no image; send the content of its file")
    try:
        format, width, height = read_header(content, lambda i: (i.format, i.width, i.height))
    except Image.DecompressionBombError as error:
        raise HTTPError(413, f"the image is too large: {error}") from error
    except IMAGE_ERRORS as error:
        raise _unreadable(error) from error
    if format not in FORMATS:
        raise HTTPError(400, f"{format} is not read here; send {', '.join(sorted(FORMATS))}")
    if width * height > limits.max_pixels:
        most = f"{limits.max_pixels:,}"
        raise HTTPError(413, f"the image has {width} x {height} pixels; at most {most} are read")
    return width * height


def decode(content: bytes) -> np.ndarray:
    """Return an image, (H, W, 3) uint8 BGR.

    Raises:
        HTTPError: it is damaged.
    """
    try:
        return read_image(content, "BGR")
    except InputError:
        raise
    except IMAGE_ERRORS as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> HTTPError:
    return HTTPError(400, f"the image cannot be read: {error}")
