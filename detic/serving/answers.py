"""Detections as the service answers them."""

from enum import Enum
from typing import Any

import orjson
from hotcoco import mask as rle

from detic.detections import Detections
from detic.outputs.json_lines import detection_entries
from detic.result_rows import encoded_masks
from detic.review.polygons import mask_polygons


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
        for entry in entries:
            entry["polygons"] = outlines(entry.pop("mask"))
    content = {
        "model": model,
        "vocabulary": vocabulary,
        "image": {"width": width, "height": height},
        "detections": entries,
    }
    return orjson.dumps(content)


def outlines(mask: dict) -> list[list[int]]:
    """Return the outlines of a mask's parts and of their holes, each as x1, y1, x2, y2, ...

    They go along the edges of pixels. A point is inside if it is inside an odd number of them.

    Args:
        mask: compressed run lengths, as COCO has them.
    """
    polygons = [points.ravel().tolist() for points in mask_polygons(mask, tolerance_px=0)]
    if not polygons:
        return []
    filled = rle.merge(rle.fr_py_objects(polygons, *mask["size"]))
    holes = rle.decode(filled) > rle.decode(mask)
    return [[int(value) for value in polygon] for polygon in polygons] + outlines(
        encoded_masks(holes[None])[0]
    )
