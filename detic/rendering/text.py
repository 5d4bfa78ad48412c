"""Text of any script, by OpenCV's TrueType fonts."""

import logging
from bisect import bisect_right
from functools import lru_cache

import cv2
import numpy as np

from detic.errors import InputError
from detic.rendering.palette import RGB

logger = logging.getLogger(__name__)

_BUILT_IN = "sans"  # falls back to a Unicode font of OpenCV's where it has no glyph
_WEIGHT = 500  # 400 is regular, 700 bold
_PROBE_PX = 24
_ELLIPSIS = "..."  # fonts without the single character have dots


class Font:
    """One size of a font.

    Args:
        px: distance from the bottom of one line to that of the next.
        font_file: TrueType; None: OpenCV's own.

    Raises:
        InputError: the file cannot be read as a font.
    """

    def __init__(self, px: int, font_file: str | None = None):
        self.px = px
        self.font_file = font_file
        self._face = _open(font_file)

    def width(self, text: str) -> int:
        """Return the width of a text in pixels."""
        x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), self._face, self.px, _WEIGHT)
        return x + width

    def shorten(self, text: str, ending: str, width_px: int) -> str:
        """Return a text and its ending; what makes them too wide is cut from the text.

        >>> Font(14).shorten("a cat with a hat", " 90%", width_px=90)
        'a cat... 90%'
        """
        if self.width(text + ending) <= width_px:
            return text + ending
        ending = _ELLIPSIS + ending
        lengths = range(1, len(text) + 1)
        fitting = bisect_right(lengths, width_px, key=lambda n: self.width(text[:n] + ending))
        return text[:fitting].rstrip() + ending

    def write(self, canvas: np.ndarray, text: str, x: int, baseline_y: int, color: RGB) -> None:
        """Draw a text onto ``canvas`` (H, W, 3) uint8 BGR; it begins at ``x``."""
        bgr = color[::-1]
        cv2.putText(canvas, text, (x, baseline_y), bgr, self._face, self.px, _WEIGHT)


def drawable(text: str, font_file: str | None = None) -> str:
    """Return a text with the characters that the font lacks written as their codes.

    OpenCV would put question marks there, and classes could not be told apart.
    """
    lacking = {character for character in text if _is_lacking(character, font_file)}
    return "".join(
        character.encode("ascii", "backslashreplace").decode()
        if character in lacking
        else character
        for character in text
    )


@lru_cache(maxsize=8192)
def _is_lacking(character: str, font_file: str | None) -> bool:
    if character.isascii():
        return False
    is_lacking = np.array_equal(_glyph(character, font_file), _glyph("?", font_file))
    if is_lacking:
        logger.warning(
            "the font has no character %r, its code is drawn instead; name a TrueType font that "
            "has it (DrawStyle.font_file, --font)",
            character,
        )
    return is_lacking


def _glyph(character: str, font_file: str | None) -> np.ndarray:
    canvas = np.zeros((2 * _PROBE_PX, 2 * _PROBE_PX, 3), np.uint8)
    Font(_PROBE_PX, font_file).write(canvas, character, 4, 36, (255, 255, 255))
    return canvas


def _open(font_file: str | None) -> cv2.FontFace:
    if font_file is None:
        return cv2.FontFace(_BUILT_IN)
    face = cv2.FontFace()
    if not face.set(font_file):
        raise InputError(f"cannot read the font {font_file!r}; name a TrueType file (.ttf)")
    return face
