"""Reading detections from a file that another program wrote."""

import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
from hotcoco import mask as rle

from detic.datasets.run_lengths import are_sound
from detic.datasets.segmentation import CHUNK, SHOWS_NOTHING, run_length_problem
from detic.documents import read_json
from detic.errors import InputError, shown
from detic.evaluation.results_file import ResultsFile
from detic.result_rows import ImageId

logger = logging.getLogger(__name__)

NEEDED = {"image_id", "category_id", "bbox", "score", "segmentation"}
LARGEST = sys.float_info.max


def read_results(path: str | Path) -> ResultsFile:
    """Return a file of detections from elsewhere, checked.

    Raises:
        InputError: it is missing, no json list, or names the first detection that is malformed.
    """
    if not Path(path).exists():
        raise InputError(f"no file of detections at {Path(path).absolute()}; check the path")
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(
            f"{path} holds a json {type(content).__name__}; expected a list of detections, "
            '[{"image_id": 1, "category_id": 1, "bbox": [x, y, width, height], "score": 0.9}, ...]'
        )
    for number, row in enumerate(content, start=1):
        problem = _problem(row)
        if problem:
            raise InputError(f"{path}: detection number {number}: {problem}")
        _drop_unneeded(row)
    _check_masks(content, path)
    image_ids, image_indices = _number(row["image_id"] for row in content)
    masks = [row["segmentation"] for row in content if "segmentation" in row]
    all_have_masks = len(masks) == len(content)
    has_boxes = all("bbox" in row for row in content)
    if has_boxes and masks and not all_have_masks:
        _drop_masks(content, path)
    return ResultsFile(
        path=Path(path),
        image_ids=image_ids,
        image_indices=image_indices,
        category_ids=np.array([row["category_id"] for row in content], dtype=np.int64),
        scores=np.array([row["score"] for row in content], dtype=np.float64),
        mask_areas=np.array(rle.area(masks), dtype=np.float64) if all_have_masks else None,
        has_boxes=has_boxes,
        mask_sizes_hw=np.array([m["size"] for m in masks]) if masks and all_have_masks else None,
        content=content,
    )


def _drop_unneeded(row: dict) -> None:
    """Take out fields that nobody scores, which may hold anything, and a mask of null."""
    if not row.keys() <= NEEDED:
        for field in row.keys() - NEEDED:
            del row[field]
    if row.get("segmentation", 0) is None:
        del row["segmentation"]


def _drop_masks(content: list[dict], path: str | Path) -> None:
    """Take out the masks that some detections have and others lack: they cannot be scored."""
    logger.warning("%s: some detections have no mask, so boxes alone are scored", path)
    for row in content:
        row.pop("segmentation", None)


def _is_number(value: Any) -> bool:
    """Return whether a value fits a float64 and is no NaN."""
    return _is_plain(value, int | float) and -LARGEST <= value <= LARGEST


def _is_category_id(value: Any) -> bool:
    return _is_plain(value, int) and abs(value) < 2**63


def _is_plain(value: object, types: type | UnionType) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)  # true is an int to Python


# What a detection must have: field, check of the value, expected value in words.
FIELDS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("image_id", lambda value: _is_plain(value, int | str), "a whole number or a text"),
    ("category_id", _is_category_id, "a whole number"),
    ("score", _is_number, "a number"),
)


def _problem(row: object) -> str:
    """Return what is wrong with a detection, "" if nothing is."""
    if not isinstance(row, dict):
        return f"is {shown(row)}; expected an object"
    for field, is_right, expected in FIELDS:
        if not is_right(row.get(field)):
            found = f"is {shown(row[field])}" if field in row else "is missing"
            return f"'{field}' {found}; expected {expected}"
    mask = row.get("segmentation")
    if "bbox" not in row and mask is None:
        return "has neither 'bbox' nor 'segmentation'"
    if "bbox" in row and not _is_box(row["bbox"]):
        return f"'bbox' is {shown(row['bbox'])}; expected [x, y, width, height], four numbers"
    return "" if mask is None else _problem_of_mask(mask)


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))


def _problem_of_mask(mask: Any) -> str:
    if _looks_like_mask(mask):
        return ""
    expected = "{'size': [height, width], 'counts': ...}, a run-length encoded mask"
    return f"'segmentation' is {shown(mask)}; expected {expected}"


def _looks_like_mask(mask: object) -> bool:
    return (
        isinstance(mask, dict)
        and isinstance(mask.get("counts"), str | list)
        and isinstance(mask.get("size"), list)
        and len(mask["size"]) == 2
        and all(_is_plain(side, int) and side > 0 for side in mask["size"])
    )


def _check_masks(content: list[dict], path: str | Path) -> None:
    """Check run-length masks by the rule for annotations, many at a time."""
    masks = [(n, row["segmentation"]) for n, row in enumerate(content, 1) if "segmentation" in row]
    for start in range(0, len(masks), CHUNK):
        chunk = masks[start : start + CHUNK]
        if are_sound([mask for _, mask in chunk], [mask["size"] for _, mask in chunk]):
            continue
        for number, mask in chunk:
            problem = run_length_problem(mask, mask["size"])
            if problem is not None and problem not in SHOWS_NOTHING:
                where = f"{path}: detection number {number}"
                raise InputError(f"{where}: 'segmentation' has {problem} ({shown(mask)})")


def _number(values: Iterable[ImageId]) -> tuple[list[ImageId], np.ndarray]:
    """Return the distinct values, by first appearance, and the index of each value in them."""
    index_of: dict[ImageId, int] = {}
    indices = [index_of.setdefault(value, len(index_of)) for value in values]
    return list(index_of), np.array(indices, dtype=np.int64)
