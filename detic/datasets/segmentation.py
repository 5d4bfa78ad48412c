"""Masks of annotations, as annotation files have them: which can be used, and what is wrong.

A mask is a list of polygons ``[x0, y0, x1, y1, ...]`` in pixels, or a run-length mask. A mask that is
malformed is refused. One that is well formed and shows nothing, such as a polygon of two points, is
no mask: the annotation keeps its box.
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import hypot, isfinite
from typing import Any

from hotcoco import mask as rle

from detic.datasets.run_lengths import are_sound, run_lengths
from detic.errors import InputError, in_short, shown

logger = logging.getLogger(__name__)

SizeHW = tuple[int, int]

MIN_NUMBERS = 6  # of a polygon: three points
FAR_SIDES = 100  # coordinates beyond so many longer sides of the image are mistakes
CHUNK = 512  # run-length masks that are looked at together; more do not fit the cache
NO_AREA_PX2 = 1e-6  # what rounding leaves of an area of zero
EXPECTED = (
    "expected polygons [[x0, y0, x1, y1, ...], ...] in pixels, or run lengths {'size': [height, "
    "width], 'counts': ...} of the whole image; correct the mask or take it out"
)
# Well formed, but no mask can be made of them
SHOWS_NOTHING = {
    "polygons with an odd number of coordinates",
    "polygons with fewer than three points",
    "polygons without area",
    "empty run-length masks",
}


def has_mask(segmentation: Any) -> bool:
    """Return whether an annotation's field says anything: null and empty ones do not."""
    return segmentation not in (None, [], {})


def is_polygon(numbers: Sequence[float]) -> bool:
    """Return whether numbers are the coordinates of three points or more."""
    return len(numbers) >= MIN_NUMBERS and len(numbers) % 2 == 0


def warn_of_useless(path: str, num_useless: int) -> None:
    """Warn of masks that show nothing."""
    if num_useless:
        logger.warning(
            "%s: %d annotations have polygons with fewer than three points or masks without a "
            "pixel; their boxes are kept, without a mask",
            *(path, num_useless),
        )


def usable_mask(segmentation: list | dict | None) -> list | dict | None:
    """Return what training can use of a mask that was checked.

    Returns:
        The polygons of three points or more, or compressed run lengths; None if there is nothing.
    """
    if not has_mask(segmentation):
        return None
    if isinstance(segmentation, dict):
        size_hw, counts = list(map(int, segmentation["size"])), segmentation["counts"]  # of 8.0 too
        mask = {"size": size_hw, "counts": counts}
        if isinstance(counts, list):
            mask = rle.fr_py_objects(mask, *size_hw)
        return mask if rle.area(mask) else None
    return [polygon for polygon in segmentation or () if is_polygon(polygon)] or None


def box_of_mask(segmentation: list | dict) -> list[float] | None:
    """Return the box (XYWH, pixels) around a mask that was checked; None: it shows nothing."""
    mask = usable_mask(segmentation)
    if mask is None:
        return None
    if isinstance(mask, dict):
        return rle.to_bbox(mask).tolist()
    xs = [x for polygon in mask for x in polygon[0::2]]
    ys = [y for polygon in mask for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def corners(box_xywh: Sequence[float]) -> list[float]:
    """Return a box as a polygon.

    >>> corners([1, 2, 10, 20])
    [1, 2, 11, 2, 11, 22, 1, 22]
    """
    x, y, width, height = box_xywh
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def give_box_for_mask(annotation: dict) -> None:
    """Let an annotation without a mask train its box and class alone, where others have masks.

    A batch has masks for all its boxes or for none, so it gets its box for a mask, and ``has_mask``
    says that it is none.
    """
    annotation |= {"segmentation": [corners(annotation["bbox"])], "has_mask": False}


def check_masks(images: Iterable[tuple[dict, list[dict]]], path: str) -> None:
    """Check that the masks of a file can be used, or that they show nothing.

    Args:
        images: with their annotations.
        path: of the file, for the message.

    Raises:
        InputError: one is malformed.
    """
    compressed = []
    for image, annotations in images:
        size_hw = image["height"], image["width"]
        limit = FAR_SIDES * max(size_hw)
        for annotation in annotations:
            segmentation = annotation.get("segmentation")
            if segmentation is None:
                continue
            if type(segmentation) is list and all(are_near(p, limit) for p in segmentation):
                continue
            if type(segmentation) is dict and type(segmentation.get("counts")) is str:
                compressed.append((annotation, size_hw))
                continue
            _refuse(annotation, size_hw, path)
    for start in range(0, len(compressed), CHUNK):
        chunk = compressed[start : start + CHUNK]
        if not are_sound([a["segmentation"] for a, _ in chunk], [size for _, size in chunk]):
            for annotation, size_hw in chunk:
                _refuse(annotation, size_hw, path)


def are_near(polygon: Any, limit: float) -> bool:
    """Return whether a polygon is a list of numbers whose size is at most ``limit``."""
    if type(polygon) is not list:
        return False
    try:
        # The quick look first, at the length of the vector of all numbers.
        return hypot(*polygon) <= limit or (
            # Not-a-number hides from min and max, but not from the sum.
            isfinite(sum(polygon)) and -limit <= min(polygon) and max(polygon) <= limit
        )
    except (TypeError, OverflowError):
        return False


def _refuse(annotation: dict, image_size_hw: SizeHW, path: str) -> None:
    problem = mask_error(annotation.get("segmentation"), image_size_hw)
    if problem:
        raise InputError(f"{path}: annotation {in_short(str(annotation['id']))}: {problem}")


def mask_error(segmentation: Any, image_size_hw: SizeHW) -> str | None:
    """Return why a mask is refused, as a message has it; None if it is not."""
    if not has_mask(segmentation):
        return None
    problem = mask_problem(segmentation, image_size_hw)
    if problem is None or problem in SHOWS_NOTHING:
        return None
    culprit = shown(_culprit(segmentation, image_size_hw))
    return f"'segmentation' has {problem} ({culprit}); {EXPECTED}"


def _culprit(segmentation: Any, image_size_hw: SizeHW) -> Any:
    """Return the part of a mask that is wrong, for a message."""
    if isinstance(segmentation, dict):
        height, width = image_size_hw
        return segmentation | {"image": [height, width]}
    if not isinstance(segmentation, list):
        return segmentation
    limit = FAR_SIDES * max(image_size_hw)
    for polygon in segmentation:
        if not isinstance(polygon, list):
            return segmentation
        for value in polygon:
            if isinstance(value, list) or not are_near([value], limit):
                return value
    return segmentation


def mask_problem(segmentation: Any, image_size_hw: SizeHW) -> str | None:
    """Return the kind of problem with a mask, in the plural; None if there is none.

    Args:
        segmentation: a field of an annotation, not empty.
        image_size_hw: of the annotation's image.
    """
    if isinstance(segmentation, dict):
        return run_length_problem(segmentation, image_size_hw)
    if not isinstance(segmentation, list) or not all(isinstance(p, list) for p in segmentation):
        return "masks that are neither polygons nor run lengths"
    if any(isinstance(value, list) for polygon in segmentation for value in polygon):
        return "polygons whose points are lists of their own"
    if not all(_is_number(value) for polygon in segmentation for value in polygon):
        return "polygons with other entries than finite numbers"
    if not all(are_near(polygon, FAR_SIDES * max(image_size_hw)) for polygon in segmentation):
        return "polygons far away from their image"
    if any(len(polygon) % 2 for polygon in segmentation):
        return "polygons with an odd number of coordinates"
    if not all(map(is_polygon, segmentation)):
        return "polygons with fewer than three points"
    if all(polygon_area(polygon) < NO_AREA_PX2 for polygon in segmentation):
        return "polygons without area"
    return None


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return True
    return type(value) is float and isfinite(value)


def polygon_area(polygon: Sequence[float]) -> float:
    """Return the area that a polygon ``[x0, y0, x1, y1, ...]`` encloses (shoelace formula).

    >>> polygon_area([0, 0, 4, 0, 4, 3])
    6.0
    """
    x0, y0 = polygon[:2]
    points = [(x - x0, y - y0) for x, y in zip(polygon[0::2], polygon[1::2], strict=True)]
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise(points))) / 2


def run_length_problem(mask: dict, image_size_hw: SizeHW) -> str | None:
    """Return the kind of problem with a run-length mask; None if there is none."""
    height, width = image_size_hw
    if mask.get("size") != [height, width]:
        return "run-length masks of another size than their image"
    if "counts" not in mask:
        return "run-length masks without counts"
    try:
        counts = run_lengths(mask["counts"])
    except ValueError:
        return "run-length masks with damaged counts"
    if sum(counts) != height * width:
        return "run-length masks whose counts do not add up to the pixels of their image"
    return None if any(counts[1::2]) else "empty run-length masks"
