"""Translucent masks with outlines.

Shapes: N masks, H x W image, K enlargement; the canvas is (K H, K W, 3) uint8 BGR.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from detic.compact_masks import CompactMasks, MaskWindow, mask_window
from detic.rendering.palette import RGB

_RIM_LINES = 5  # width of the rim inside an outline, in widths of the outline
_RIM_FACTOR = 4  # how much more opaque the rim is at the outline than the inside
_MOST_OPAQUE_RIM = 0.8
_OUTLINE_PX = 0.7  # how far outlines may leave the pixels they follow; it smooths their steps
_SMOOTHING = 0.6  # of enlarged masks, pixels of the image


def paint_masks(
    canvas: np.ndarray,
    masks: np.ndarray | CompactMasks,
    colors: Sequence[RGB],
    opacity: float,
    line_px: int,
    upscale: int = 1,
) -> None:
    """Draw masks onto ``canvas``, large ones first, so that small ones on top of them stay visible.

    Args:
        masks: (N, H, W) bool.
        colors: N.
        opacity: of the inside, 0 to 1; outlines are opaque, and towards them it grows, so that the
            inside can keep the colours of the object.
        line_px: width of the outlines, 0 for none.
    """
    windows = [_window(mask_window(masks, row), upscale) for row in range(len(masks))]
    order = sorted(range(len(windows)), key=lambda i: -windows[i][1].size)
    for i in order:
        (x, y), inside = windows[i]
        if inside.size:
            _paint(canvas, x, y, inside, colors[i], opacity, line_px)


def _window(mask: MaskWindow, upscale: int) -> tuple[tuple[int, int], np.ndarray]:
    """Return where on the canvas a mask begins and its rectangle there (h, w) uint8."""
    x, y, (height, width) = mask.x, mask.y, mask.pixels.shape
    pixels = mask.pixels.view(np.uint8)
    if upscale == 1 or not pixels.size:
        return (x, y), pixels
    size = (width * upscale, height * upscale)
    large = cv2.resize(255 * pixels, size, interpolation=cv2.INTER_LINEAR)
    # Blurring and cutting at half rounds the steps of the enlarged edge.
    smooth = cv2.GaussianBlur(large, (0, 0), _SMOOTHING * upscale, borderType=cv2.BORDER_CONSTANT)
    return (x * upscale, y * upscale), (smooth > 127).view(np.uint8)


def _paint(
    canvas: np.ndarray,
    x: int,
    y: int,
    inside: np.ndarray,
    color: RGB,
    opacity: float,
    line_px: int,
) -> None:
    height, width = inside.shape
    background = canvas[y : y + height, x : x + width]
    has_rim = line_px > 0 and opacity > 0
    tint = _rimmed if has_rim else _flat
    tinted = tint(background, inside, color, opacity, line_px)
    cv2.copyTo(tinted, inside, background)
    if line_px > 0:
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        outlines = [cv2.approxPolyDP(contour, _OUTLINE_PX, True) for contour in contours]
        cv2.drawContours(canvas, outlines, -1, color[::-1], line_px, cv2.LINE_AA, offset=(x, y))


def _flat(
    background: np.ndarray, inside: np.ndarray, color: RGB, opacity: float, line_px: int
) -> np.ndarray:
    """Return a part of an image (h, w, 3) uint8 under a colour of the same opacity everywhere."""
    bgr = np.array(color[::-1], dtype=np.float32)
    levels = np.arange(256, dtype=np.float32)[:, None]
    blend = np.round(levels * (1 - opacity) + bgr * opacity).astype(np.uint8)
    return cv2.LUT(background, blend[None])


def _rimmed(
    background: np.ndarray, inside: np.ndarray, color: RGB, opacity: float, line_px: int
) -> np.ndarray:
    """Return a part of an image (h, w, 3) uint8 under a colour that grows towards the outline.

    Args:
        inside: (h, w) uint8, 1 in the mask.
    """
    padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[0])
    depths_px = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    nearness = (1 - depths_px / (_RIM_LINES * line_px)).clip(0, 1)
    at_outline = max(opacity, min(_RIM_FACTOR * opacity, _MOST_OPAQUE_RIM))
    opacities = (opacity + (at_outline - opacity) * nearness**2).astype(np.float32)
    paint = np.empty(background.shape, np.uint8)
    cv2.rectangle(paint, (0, 0), paint.shape[1::-1], color[::-1], cv2.FILLED)  # NumPy is slower
    return cv2.blendLinear(background, paint, 1 - opacities, opacities)
