"""Translucent masks with outlines.

Shapes: N masks, H x W image, K enlargement; the canvas is (K H, K W, 3) uint8 BGR.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from detic.compact_masks import CompactMasks, MaskWindow, mask_window
from detic.rendering.palette import RGB

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
        opacity: of the inside, 0 to 1; outlines are opaque.
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
    bgr = np.array(color[::-1], dtype=np.float32)
    levels = np.arange(256, dtype=np.float32)[:, None]
    blend = np.round(levels * (1 - opacity) + bgr * opacity).astype(np.uint8)
    tinted = cv2.LUT(background, blend[None])
    cv2.copyTo(tinted, inside, background)
    if line_px > 0:
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        outlines = [cv2.approxPolyDP(contour, _OUTLINE_PX, True) for contour in contours]
        cv2.drawContours(canvas, outlines, -1, color[::-1], line_px, cv2.LINE_AA, offset=(x, y))
