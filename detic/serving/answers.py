"""Detections as the service answers them.

Shapes: H x W image.
"""

from enum import Enum
from typing import Any

import numpy as np
import orjson

from detic.detections import Detections
from detic.outputs.json_lines import detection_entries


class MaskFormat(str, Enum):
    """How masks are answered."""

    NONE = "none"
    RLE = "rle"  # COCO's compressed run lengths
    POLYGONS = "polygons"  # outlines; those of holes are among them, by the even-odd rule


def answer(
    detections: Detections, masks: MaskFormat, model: dict[str, str], vocabulary: dict[str, Any]
) -> bytes:
    """Return what was found as JSON.

    Args:
        model: name and version.
        vocabulary: id, version and size.
    """
    height, width = detections.image_size_hw
    entries = detection_entries(detections)
    if masks is MaskFormat.POLYGONS and detections.masks is not None:
        for entry, mask in zip(entries, np.asarray(detections.masks), strict=True):
            del entry["mask"]
            entry["polygons"] = outlines(mask)
    content = {
        "model": model,
        "vocabulary": vocabulary,
        "image": {"width": width, "height": height},
        "detections": entries,
    }
    return orjson.dumps(content)


def outlines(mask: np.ndarray) -> list[list[int]]:
    """Return the outlines of a mask, (H, W) bool, each as x1, y1, x2, y2, ... of pixel centres."""
    import cv2

    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [[int(value) for value in contour.flat] for contour in found]
