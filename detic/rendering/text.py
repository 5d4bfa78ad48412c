"""Text of any script that the font has; what it lacks is written as codes."""

import logging
from bisect import bisect_right
from functools import lru_cache

import numpy as np

from detic.rendering.faces import Face, face_of
from detic.rendering.palette import RGB

logger = logging.getLogger(__name__)

_PROBE_PX = 24
_ELLIPSIS = "..."  # fonts without the single character have dots


class Font:
    """One size of a font.

    Args:
        px: distance from the bottom of one line to that of the next.
        font_file: TrueType; None: the font that comes with OpenCV or Pillow.
        face: what draws the letters; None: what fits the font.

    Raises:
        InputError: the file cannot be read as a font.
    """

    def __init__(self, px: int, font_file: str | None = None, face: type[Face] | None = None):
        self.px = px
        self._face = (face or face_of(font_file))(px, font_file)

    def width(self, text: str) -> int:
        """Return the width of a text in pixels."""
        return self._face.width(text)

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
        self._face.write(canvas, text, x, baseline_y, color)


def drawable(text: str, font_file: str | None = None, face: type[Face] | None = None) -> str:
    """Return a text with the characters that the font lacks written as their codes.

    Question marks or boxes would be drawn there, and classes could not be told apart.
    """
    face = face or face_of(font_file)
    lacking = {character for character in text if _is_lacking(character, font_file, face)}
    return "".join(
        character.encode("ascii", "backslashreplace").decode()
        if character in lacking
        else character
        for character in text
    )


@lru_cache(maxsize=8192)
def _is_lacking(character: str, font_file: str | None, face: type[Face]) -> bool:
    if character.isascii():
        return False
    lacking = _glyph(face.lacking, font_file, face)
    is_lacking = np.array_equal(_glyph(character, font_file, face), lacking)
    if is_lacking:
        logger.warning(
            "the font has no character %r, its code is drawn instead; name a TrueType font that "
            "has it (DrawStyle.font_file, --font)",
            character,
        )
    return is_lacking


def _glyph(character: str, font_file: str | None, face: type[Face]) -> np.ndarray:
    canvas = np.zeros((2 * _PROBE_PX, 2 * _PROBE_PX, 3), np.uint8)
    face(_PROBE_PX, font_file).write(canvas, character, 4, 36, (255, 255, 255))
    return canvas
