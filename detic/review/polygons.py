"""Masks as polygons that people can edit.

Shapes: P points, H x W image.
"""

import cv2
import numpy as np
from hotcoco import mask as rle

TOLERANCE_PX = 1.0  # how far a polygon may leave the edge of its mask
MIN_POINTS = 3


def mask_polygons(mask: dict, tolerance_px: float = TOLERANCE_PX) -> list[np.ndarray]:
    """Return the outlines (P, 2) xy of the parts of a mask, the largest first; holes are filled.

    They go along the edges of pixels: that of the pixel (0, 0) alone has the corners (0, 0) and (1, 1).

    Args:
        mask: compressed run lengths, as COCO has them.
        tolerance_px: how far they may leave the edge; 0: as many points as it takes.
    """
    x, y, width, height = map(int, rle.to_bbox(mask).tolist())
    if width == 0:
        return []
    window = rle.decode(mask)[y : y + height, x : x + width]
    # Twice as large, each pixel has a point of its own at each of its corners: odd ones are the far side.
    doubled = np.repeat(np.repeat(window, 2, axis=0), 2, axis=1)
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    exact = [(outline[:, 0] + 1) // 2 + (x, y) for outline in outlines]
    exact.sort(key=lambda points: -_area(points))
    return [_simplified(points, tolerance_px) for points in exact]


def _area(points: np.ndarray) -> float:
    return cv2.contourArea(points.astype(np.float32))


def _simplified(points: np.ndarray, tolerance_px: float) -> np.ndarray:
    """Return a polygon (P, 2) with fewer points, unless nothing would be left of it."""
    simple = cv2.approxPolyDP(points.astype(np.float32), tolerance_px, closed=True)[:, 0]
    return simple if len(simple) >= MIN_POINTS and _area(simple) > 0 else points
