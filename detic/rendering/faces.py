"""Two ways to draw letters: OpenCV's TrueType faces, from OpenCV 5 on, and Pillow's fonts.

Both measure and draw one line of text; ``text.Font`` is built on either.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol, cast

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detic.errors import InputError
from detic.files import open_to_read
from detic.rendering.palette import RGB

_BUILT_IN = "sans"  # falls back to a Unicode font of OpenCV's where it has no glyph
_WEIGHT = 500  # 400 is regular, 700 bold
# Of Pillow's em square: the distance of two lines of OpenCV's face is as much larger.
_LINE_SPACING = 1.2


class Face(Protocol):
    """Letters of one size."""

    lacking: str  # a character that is drawn as all are that the font lacks

    def __init__(self, px: int, font_file: str | None) -> None: ...

    def width(self, text: str) -> int:
        """Return the width of a text in pixels."""

    def write(self, canvas: np.ndarray, text: str, x: int, baseline_y: int, color: RGB) -> None:
        """Draw a text onto ``canvas`` (H, W, 3) uint8 BGR; it begins at ``x``."""


class OpenCVFace:
    """Letters by OpenCV, whose own fonts have most scripts.

    Fonts from elsewhere are not for it: a damaged one ends the process by a segmentation fault.

    Args:
        px: distance from the bottom of one line to that of the next.
        font_file: None.
    """

    lacking = "?"

    def __init__(self, px: int, font_file: str | None = None):
        assert font_file is None
        self.px = px
        self._face = cv2.FontFace(_BUILT_IN)

    def width(self, text: str) -> int:
        x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), self._face, self.px, _WEIGHT)
        return x + width

    def write(self, canvas: np.ndarray, text: str, x: int, baseline_y: int, color: RGB) -> None:
        cv2.putText(canvas, text, (x, baseline_y), color[::-1], self._face, self.px, _WEIGHT)


class PillowFace:
    """Letters by Pillow, whose own font has little more than ASCII.

    Args:
        px: distance from the bottom of one line to that of the next.
        font_file: TrueType; None: Pillow's own.

    Raises:
        InputError: the file cannot be read as a font.
    """

    lacking = "\uffff"  # no character by Unicode's definition

    def __init__(self, px: int, font_file: str | None = None):
        self._font_file = font_file
        self._font = _pillow_font(max(1, round(px / _LINE_SPACING)), font_file)

    def width(self, text: str) -> int:
        left, right = self._extent(text)
        return right - left

    def write(self, canvas: np.ndarray, text: str, x: int, baseline_y: int, color: RGB) -> None:
        left, _ = self._extent(text)
        image = Image.fromarray(canvas)
        with _font_errors(self._font_file):
            # Pillow's colours are in the order of the image's channels: BGR here.
            ImageDraw.Draw(image).text(
                (x - left, baseline_y), text, color[::-1], self._font, anchor="ls"
            )
        canvas[...] = np.asarray(image)

    def _extent(self, text: str) -> tuple[int, int]:
        """Return where a text begins and ends, relative to where it is drawn, in pixels."""
        with _font_errors(self._font_file):
            left, _, right, _ = self._font.getbbox(text, anchor="ls")
        return min(0, math.floor(left)), math.ceil(right)


def face_of(font_file: str | None) -> type[Face]:
    """Return what draws the letters of a font file, or of a built-in font. OpenCV 4 has no faces."""
    return OpenCVFace if font_file is None and hasattr(cv2, "FontFace") else PillowFace


@lru_cache(maxsize=64)
def _pillow_font(size_px: int, font_file: str | None) -> ImageFont.FreeTypeFont:
    if font_file is None:
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size_px))
    with _font_errors(font_file):
        open_to_read(font_file).close()  # a pipe would be waited for
        return ImageFont.truetype(font_file, size_px)


@contextmanager
def _font_errors(font_file: str | None) -> Iterator[None]:
    """Turn what Pillow raises of a font, or of one of its letters, into one message."""
    try:
        yield
    except OSError as error:
        message = f"cannot read the font {font_file!r}; name a TrueType file (.ttf)"
        raise InputError(message) from error
