"""Detections to pictures: translucent masks, boxes and labels, drawn by OpenCV."""

from detic.rendering.palette import PALETTES, class_color
from detic.rendering.picture import draw
from detic.rendering.style import DrawStyle, vocabulary_colors

__all__ = ["PALETTES", "DrawStyle", "class_color", "draw", "vocabulary_colors"]
