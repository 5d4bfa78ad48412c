"""Masks of annotations, as annotation files have them: which can be used, and what is wrong.

A mask is a list of polygons ``[x0, y0, x1, y1, ...]`` in pixels, or a run-length mask.

Source of the compressed counts: the COCO API, https://github.com/cocodataset/cocoapi.
"""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

logger = logging.getLogger(__name__)

MIN_NUMBERS = 6  # of a polygon: three points
FAR_PX = 1e9  # no image reaches there
NO_AREA_PX2 = 1e-6  # what rounding leaves of an area of zero

# Compressed counts: six bits a character, lowest first. The fifth bit of the last character of a
# number is its sign, the sixth one says that another character follows.
FIRST_CHARACTER = ord("0")
FOLLOWED, SIGN, VALUE_BITS = 0x20, 0x10, 5
FIRST_DIFFERENCE = 3  # from here on, a number is added to the count before the last


def is_polygon(numbers: Sequence[float]) -> bool:
    """Return whether numbers are the coordinates of three points or more."""
    return len(numbers) >= MIN_NUMBERS and len(numbers) % 2 == 0


def usable_polygons(polygons: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Return the polygons of three points or more; training cannot use others."""
    return [polygon for polygon in polygons if is_polygon(polygon)]


def has_only_polygons(segmentation: Sequence | dict) -> bool:
    """Return whether all polygons have three points; run-length masks have no polygons."""
    return isinstance(segmentation, dict) or all(map(is_polygon, segmentation))


def keep_all_masks_or_none(records: Sequence[dict], origin: str) -> None:
    """Remove the masks of annotations unless all of them have one.

    A batch has masks for all its boxes or for none.

    Args:
        records: changed in place.
        origin: where they are from, for the warning.
    """
    annotations = [annotation for record in records for annotation in record["annotations"]]
    num_masks = sum("segmentation" in annotation for annotation in annotations)
    if 0 < num_masks < len(annotations):
        logger.warning(
            "%s: %d of %d annotations have masks, which are not used, as the others have none",
            *(origin, num_masks, len(annotations)),
        )
        for annotation in annotations:
            annotation.pop("segmentation", None)


def mask_problem(segmentation: Any, image_size_hw: tuple[int, int]) -> str | None:
    """Return the kind of problem with a mask, in the plural; None if there is none.

    Args:
        segmentation: a field of an annotation, not empty.
        image_size_hw: of the annotation's image.
    """
    if isinstance(segmentation, dict):
        return run_length_problem(segmentation, image_size_hw)
    if not isinstance(segmentation, list) or not all(isinstance(p, list) for p in segmentation):
        return "masks that are neither polygons nor run lengths"
    if not all(_is_number(value) for polygon in segmentation for value in polygon):
        return "polygons with other entries than finite numbers"
    if any(len(polygon) % 2 for polygon in segmentation):
        return "polygons with an odd number of coordinates"
    if not all(map(is_polygon, segmentation)):
        return "polygons with fewer than three points"
    if all(polygon_area(polygon) < NO_AREA_PX2 for polygon in segmentation):
        return "polygons without area"
    return None


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and abs(value) < FAR_PX  # neither true of NaN nor of infinity


def polygon_area(polygon: Sequence[float]) -> float:
    """Return the area that a polygon ``[x0, y0, x1, y1, ...]`` encloses (shoelace formula).

    >>> polygon_area([0, 0, 4, 0, 4, 3])
    6.0
    """
    x0, y0 = polygon[:2]
    points = [(x - x0, y - y0) for x, y in zip(polygon[0::2], polygon[1::2], strict=True)]
    return abs(sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise(points))) / 2


def run_length_problem(mask: dict, image_size_hw: tuple[int, int]) -> str | None:
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


def run_lengths(counts: Any) -> list[int]:
    """Return the lengths of the runs of a mask, that of the background first.

    >>> run_lengths("04\\\\1")
    [0, 4, 44]

    Args:
        counts: the lengths, or a text that compresses them.

    Raises:
        ValueError: it is neither.
    """
    lengths = decompressed(counts) if isinstance(counts, str) else counts
    is_list = isinstance(lengths, list) and all(type(length) is int for length in lengths)
    if not is_list or min(lengths, default=0) < 0:
        raise ValueError(f"expected lengths of runs, not {str(counts)[:40]}")
    return lengths


def decompressed(text: str) -> list[int]:
    """Return the numbers in a text of compressed counts.

    Raises:
        ValueError: it has other characters, or ends in the middle of a number.
    """
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - FIRST_CHARACTER
        if not 0 <= bits < 2 * FOLLOWED:
            raise ValueError(f"{character!r} is no character of compressed counts")
        value |= (bits & (FOLLOWED - 1)) << shift
        shift += VALUE_BITS
        if bits & FOLLOWED:
            continue
        if bits & SIGN:
            value -= 1 << shift
        is_difference = len(numbers) >= FIRST_DIFFERENCE
        numbers.append(value + numbers[-2] if is_difference else value)
        value = shift = 0
    if shift:
        raise ValueError("the text ends in the middle of a number")
    return numbers
