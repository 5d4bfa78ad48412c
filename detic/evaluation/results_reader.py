"""Reading detections from a file that another program wrote."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from hotcoco import mask as rle

from detic.data.annotation_file import read_json
from detic.errors import InputError
from detic.evaluation.results_file import ImageId, ResultsFile


def read_results(path: str | Path) -> ResultsFile:
    """Return a file of detections from elsewhere, checked.

    Raises:
        InputError: it is missing, no json list, or names the first detection that is malformed.
    """
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
    image_ids, image_indices = _number(row["image_id"] for row in content)
    masks = [row["segmentation"] for row in content if "segmentation" in row]
    all_have_masks = len(masks) == len(content)
    return ResultsFile(
        path=Path(path),
        image_ids=image_ids,
        image_indices=image_indices,
        category_ids=np.array([row["category_id"] for row in content], dtype=np.int64),
        scores=np.array([row["score"] for row in content], dtype=np.float64),
        mask_areas=np.array(rle.area(masks), dtype=np.float64) if all_have_masks else None,
        has_boxes=all("bbox" in row for row in content),
        mask_sizes_hw=np.array([m["size"] for m in masks]) if masks and all_have_masks else None,
        content=content,
    )


def _problem(row: object) -> str:
    """Return what is wrong with a detection, "" if nothing is."""
    if not isinstance(row, dict):
        return f"is {str(row)[:40]}; expected an object"
    for field, types in (("image_id", int | str), ("category_id", int), ("score", int | float)):
        if not isinstance(row.get(field), types) or row[field] != row[field]:
            found = f"is {row[field]!r}" if field in row else "is missing"
            expected = {"image_id": "a whole number or a text", "category_id": "a whole number"}
            return f"'{field}' {found}; expected {expected.get(field, 'a number')}"
    if "bbox" not in row and "segmentation" not in row:
        return "has neither 'bbox' nor 'segmentation'"
    if "bbox" in row and not _is_box(row["bbox"]):
        return f"'bbox' is {str(row['bbox'])[:60]}; expected [x, y, width, height]"
    if "segmentation" in row and not _is_mask(row["segmentation"]):
        found = str(row["segmentation"])[:60]
        return f"'segmentation' is {found}; expected {{'size': [height, width], 'counts': ...}}"
    return ""


def _is_box(box: object) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) for value in box)
    )


def _is_mask(mask: object) -> bool:
    return (
        isinstance(mask, dict)
        and isinstance(mask.get("counts"), str | list)
        and isinstance(mask.get("size"), list)
        and len(mask["size"]) == 2
    )


def _number(values: Iterable[ImageId]) -> tuple[list[ImageId], np.ndarray]:
    """Return the distinct values, by first appearance, and the index of each value in them."""
    index_of: dict[ImageId, int] = {}
    indices = [index_of.setdefault(value, len(index_of)) for value in values]
    return list(index_of), np.array(indices, dtype=np.int64)
