"""Boxes and masks as files hold them.

Shapes: N detections, H x W image.
"""

import cv2
import numpy as np
from pycocotools import mask as mask_util

from detic.detections import Detections

# A thousandth of a pixel, a millionth of a score: rounding keeps the files small.
_BOX_DIGITS = 3
_SCORE_DIGITS = 6


def rounded_box(box: np.ndarray) -> list[float]:
    """Return the four numbers of a box."""
    return [round(float(value), _BOX_DIGITS) for value in box]


def rounded_score(score: float) -> float:
    """Return a score from 0 to 1."""
    return round(float(score), _SCORE_DIGITS)


def box_xywh(box_xyxy: np.ndarray) -> list[float]:
    """Return a box as its left, top, width and height."""
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    return rounded_box(np.array([x1, y1, x2 - x1, y2 - y1]))


def run_lengths(detections: Detections) -> list[dict] | None:
    """Return COCO's compressed run lengths of the N masks, None where there are no masks."""
    if detections.masks is None:
        return None
    pixels = np.asfortranarray(detections.masks.transpose(1, 2, 0).view(np.uint8))  # (H, W, N)
    return [{**rle, "counts": rle["counts"].decode("ascii")} for rle in mask_util.encode(pixels)]


def outline(mask: np.ndarray) -> np.ndarray | None:
    """Return the outline (P, 2) xy of the largest part of a mask (H, W) bool.

    Its points are pixels of the part; None where the part encloses nothing.
    """
    contours, _ = cv2.findContours(
        np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    largest = max(contours, key=cv2.contourArea, default=())
    return largest[:, 0] if len(largest) >= 3 else None
