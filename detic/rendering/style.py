"""How detections are drawn."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from detic.errors import InputError, unknown_choice
from detic.rendering.palette import MOST_APART, PALETTES, RGB, class_color, distinct_colors
from detic.rendering.text import Font
from detic.vocabulary import Vocabulary

# Text height and line width at 640 x 480; they grow slower than the image does.
_REFERENCE_SIDE_PX = (640 * 480) ** 0.5
_TEXT_PX = 14
_GROWTH = 0.75
SMALLEST_TEXT_PX = 9


@dataclass(frozen=True)
class DrawStyle:
    """What is drawn, and in which colours and sizes."""

    masks: bool = True
    boxes: bool = True
    labels: bool = True
    scores: bool = True  # in the labels; False suits ground truth
    plain_names: bool = True  # crab for crab_(animal), unless two names would become one
    palette: str = "vivid"  # a key of PALETTES
    class_colors: Mapping[str, RGB] = field(default_factory=dict)  # by name, before the palette
    mask_opacity: float = 0.15  # 0 to 1, of a mask's inside; it grows towards the outline
    line_px: int | None = None  # width of outlines and boxes; None: as suits the image
    scale: float = 1.0  # of text and lines
    upscale: int = 1  # enlarges small images before anything is drawn
    font_file: str | None = None  # TrueType; the built-in font lacks few scripts

    def __post_init__(self):
        if self.palette not in PALETTES:
            raise unknown_choice("palette", self.palette, PALETTES)
        if not 0 <= self.mask_opacity <= 1:
            raise InputError(
                f"the opacity of masks is {self.mask_opacity}; choose a number from 0 to 1"
            )
        if self.line_px is not None and not 1 <= self.line_px <= 100:
            raise InputError(f"lines are 1 to 100 pixels wide, not {self.line_px}")
        if not 1 <= self.upscale <= 16:
            raise InputError(f"images are enlarged 1 to 16 times, not {self.upscale} times")
        Font(SMALLEST_TEXT_PX, self.font_file)  # whether the file is a font shows here

    def with_colors_of(self, names: Collection[str]) -> "DrawStyle":
        """Return the style with colours of these classes, far apart from each other if they are few.

        A class that has a colour in ``class_colors`` keeps it: the frames of a video are drawn alike by
        a style that is handed on from frame to frame.
        """
        if self.class_colors.keys() >= set(names):
            return self
        return replace(self, class_colors=distinct_colors(names, self.palette, self.class_colors))

    def for_vocabulary(self, vocabulary: Vocabulary) -> "DrawStyle":
        """Return the style with the colours that a vocabulary gives.

        If it has few classes, all have theirs now: the same in all images.
        """
        style = replace(self, class_colors={**vocabulary_colors(vocabulary), **self.class_colors})
        return style.with_colors_of(vocabulary.names) if len(vocabulary) <= MOST_APART else style

    def color(self, name: str) -> RGB:
        """Return the colour of a class."""
        return self.class_colors.get(name) or class_color(name, self.palette)

    def text_px(self, canvas_size_hw: tuple[int, int]) -> int:
        """Return the size of text on a canvas, in pixels."""
        side = (canvas_size_hw[0] * canvas_size_hw[1]) ** 0.5
        height = _TEXT_PX * (side / _REFERENCE_SIDE_PX) ** _GROWTH * self.scale
        return max(SMALLEST_TEXT_PX, round(height))


def vocabulary_colors(vocabulary: Vocabulary) -> dict[str, RGB]:
    """Return the colours that a vocabulary itself gives to some of its classes."""
    return {entry.name: entry.color for entry in vocabulary.entries if entry.color is not None}
