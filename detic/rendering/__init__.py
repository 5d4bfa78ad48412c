"""Detections to images: translucent masks, boxes and labels, drawn by OpenCV."""

from detic.rendering.draw import draw
from detic.rendering.palette import PALETTES, class_color
from detic.rendering.style import DrawStyle, vocabulary_colors

__all__ = ["PALETTES", "DrawStyle", "class_color", "draw", "vocabulary_colors"]
