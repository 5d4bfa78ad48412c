"""Detections to images: translucent masks, boxes and labels, drawn by OpenCV."""

from detic.rendering.draw import draw
from detic.rendering.palette import PALETTES, class_color
from detic.rendering.style import DrawStyle, vocabulary_colors
from detic.rendering.trails import Trails

__all__ = ["PALETTES", "DrawStyle", "Trails", "class_color", "draw", "vocabulary_colors"]
