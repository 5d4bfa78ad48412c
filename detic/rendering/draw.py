"""Drawing detections onto an image.

Shapes: N detections, H x W image, K enlargement.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from detic.detections import Detections
from detic.errors import InputError
from detic.rendering.labels import place_labels
from detic.rendering.masks import paint_masks
from detic.rendering.names import plain_names
from detic.rendering.palette import RGB, text_color
from detic.rendering.style import SMALLEST_TEXT_PX, DrawStyle
from detic.rendering.text import Font, drawable

# Labels that would cover more of the image than this are written smaller.
_LARGEST_LABEL_SHARE = 0.25


def draw(
    image_bgr: np.ndarray, detections: Detections, style: DrawStyle | None = None
) -> np.ndarray:
    """Return the image with its detections, (K H, K W, 3) uint8 BGR.

    Args:
        image_bgr: (H, W, 3) uint8; it stays as it is.
        detections: of this image.
        style: what to draw; K is its ``upscale``.

    Raises:
        InputError: the detections belong to an image of another size.
    """
    style = (style or DrawStyle()).with_colors_of(detections.names.tolist())
    if image_bgr.shape[:2] != tuple(detections.image_size_hw):
        raise InputError(
            f"detections of an image of {_size(detections.image_size_hw)} cannot be drawn onto "
            f"one of {_size(image_bgr.shape)} (height x width)"
        )
    canvas = _enlarge(image_bgr, style.upscale)
    boxes = detections.boxes_xyxy * style.upscale
    colors = [style.color(str(name)) for name in detections.names]
    names, endings = _names(detections, style), _endings(detections, style)
    font = _fitting_font(list(map(str.__add__, names, endings)), canvas.shape[:2], style)
    line_px = style.line_px or max(1, round(font.px / 7))
    masks = detections.masks if style.masks else None
    if masks is not None:
        paint_masks(canvas, masks, colors, style.mask_opacity, line_px, style.upscale)
    if style.boxes:
        _draw_boxes(canvas, boxes, colors, line_px if masks is None else max(1, line_px - 1))
    if style.labels:
        room_px = canvas.shape[1] - 2 * _padding(font)
        texts = [font.shorten(*text, room_px) for text in zip(names, endings, strict=True)]
        _draw_labels(canvas, boxes, texts, colors, font)
    return canvas


def _enlarge(image_bgr: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return image_bgr.copy()
    return cv2.resize(image_bgr, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _names(detections: Detections, style: DrawStyle) -> list[str]:
    """Return what each label calls its object: ``cat``, or ``#3 cat`` where it is tracked."""
    if style.plain_names:
        plain = plain_names(detections.names.tolist())
        detections = replace(
            detections, names=np.array([plain[n] for n in detections.names.tolist()])
        )
    ids = [] if detections.track_ids is None else detections.track_ids.tolist()
    marks = [f"#{id} " if id >= 0 else "" for id in ids] or [""] * len(detections)
    names = map(str.__add__, marks, detections.shown_names)
    return [drawable(name, style.font_file) for name in names]


def _endings(detections: Detections, style: DrawStyle) -> list[str]:
    """Return what follows the name in each label."""
    return [f" {score:.0%}" if style.scores else "" for score in detections.scores]


def _draw_boxes(
    canvas: np.ndarray, boxes_xyxy: np.ndarray, colors: Sequence[RGB], line_px: int
) -> None:
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    for i in np.argsort(-areas, kind="stable"):
        x1, y1, x2, y2 = np.round(boxes_xyxy[i]).astype(int).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colors[i][::-1], line_px)


def _draw_labels(
    canvas: np.ndarray,
    boxes_xyxy: np.ndarray,
    texts: Sequence[str],
    colors: Sequence[RGB],
    font: Font,
) -> None:
    sizes = [_label_size(text, font) for text in texts]
    places = place_labels(boxes_xyxy, sizes, canvas.shape[:2])
    for place, size, text, color in zip(places, sizes, texts, colors, strict=True):
        if place is not None:
            _draw_label(canvas, place, size, text, color, font)


def _fitting_font(texts: Sequence[str], canvas_size_hw: tuple[int, int], style: DrawStyle) -> Font:
    """Return the style's font, smaller where many labels share the image."""
    font = Font(style.text_px(canvas_size_hw), style.font_file)
    covered = sum(width * height for width, height in (_label_size(text, font) for text in texts))
    allowed = _LARGEST_LABEL_SHARE * canvas_size_hw[0] * canvas_size_hw[1]
    if covered <= allowed:
        return font
    px = int(font.px * (allowed / covered) ** 0.5)
    return Font(max(SMALLEST_TEXT_PX, px), style.font_file)


def _label_size(text: str, font: Font) -> tuple[int, int]:
    return font.width(text) + 2 * _padding(font), font.px + _padding(font)


def _padding(font: Font) -> int:
    return max(2, round(font.px / 4))


def _draw_label(
    canvas: np.ndarray,
    place: tuple[int, int],
    size_wh: tuple[int, int],
    text: str,
    color: RGB,
    font: Font,
) -> None:
    (x, y), (width, height) = place, size_wh
    canvas[y : y + height, x : x + width] = color[::-1]
    # Letters stand on the line; their descenders take up the lower quarter.
    baseline_y = y + height - round(0.25 * height)
    font.write(canvas, text, x + _padding(font), baseline_y, text_color(color))


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]} x {shape[1]}"
