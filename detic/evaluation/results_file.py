"""Files of detections in COCO's result format, and the columns of them that scoring needs.

N detections of I images.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hotcoco import mask as rle

from detic.data.annotation_file import read_json
from detic.errors import InputError

ImageId = int | str


@dataclass(frozen=True)
class ResultsFile:
    """A json list of {"image_id", "category_id", "bbox" XYWH, "score", "segmentation"} objects.

    The columns are in the order of the file. Masks are run-length encoded.
    """

    path: Path
    image_ids: Sequence[ImageId]  # (I,)
    image_indices: np.ndarray  # (N,) into image_ids
    category_ids: np.ndarray  # (N,)
    scores: np.ndarray  # (N,)
    mask_areas: np.ndarray | None  # (N,) pixels; None: at least one detection has no mask
    has_boxes: bool = True
    mask_sizes_hw: np.ndarray | None = None  # (N, 2) pixels, for masks that came from elsewhere
    one_per_line: bool = True  # each detection has its own line after the first, which is "["

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, indices: np.ndarray) -> Iterator[dict]:
        """Yield the detections at these positions, which rise."""
        if not self.one_per_line:
            content = read_json(self.path)
            yield from (content[index] for index in indices.tolist())
            return
        with open(self.path, "rb") as file:
            next(file)
            position = 0
            for index in indices.tolist():
                for _ in range(index - position):
                    next(file)
                position = index + 1
                yield json.loads(next(file).rstrip(b",\n"))

    def rows_of_images(self, image_ids: Collection[ImageId]) -> Iterator[dict]:
        """Yield the detections of some images."""
        wanted = [index for index, image in enumerate(self.image_ids) if image in image_ids]
        yield from self.rows(np.flatnonzero(np.isin(self.image_indices, wanted)))

    @contextmanager
    def only(self, keep: np.ndarray) -> Iterator["ResultsFile"]:
        """Give a temporary file of the detections for which `keep`, (N,) bool, is true."""
        if keep.all():
            yield self
            return
        beside = self.path.parent if self.one_per_line else None  # else it is a folder of the user
        with TemporaryDirectory(prefix=".results-", dir=beside) as folder:
            path = Path(folder) / self.path.name
            with open(path, "w", encoding="utf-8") as file:
                lines = (json.dumps(row) for row in self.rows(np.flatnonzero(keep)))
                write_rows(file.write, lines)
            columns = ("image_indices", "category_ids", "scores", "mask_areas", "mask_sizes_hw")
            kept = {name: _select(getattr(self, name), keep) for name in columns}
            yield replace(self, path=path, one_per_line=True, **kept)


def _select(column: np.ndarray | None, keep: np.ndarray) -> np.ndarray | None:
    return None if column is None else column[keep]


def write_rows(write: Callable[[str], object], lines: Iterable[str]) -> None:
    """Write detections, each a json object, as one json list with a detection a line."""
    write("[\n")
    separator = ""
    for line in lines:
        write(separator + line)
        separator = ",\n"
    write("\n]\n")


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
        one_per_line=False,
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


def check_fits(
    results: ResultsFile,
    images: Mapping[ImageId, dict],
    category_ids: Collection[int],
    tasks: Sequence[str],
    annotation_file: str | Path,
) -> None:
    """Check that detections are of the images, classes and kind that are to be scored.

    Raises:
        InputError: names an image, category or missing field.
    """
    unknown = next((image for image in results.image_ids if image not in images), None)
    if unknown is not None:
        raise InputError(
            f"{results.path} has detections on image {unknown!r}, which is not among the "
            f"{len(images)} images of {annotation_file}; give the annotations of the set that "
            "was predicted"
        )
    unknown_ids = set(np.unique(results.category_ids).tolist()) - set(category_ids)
    if unknown_ids:
        raise InputError(
            f"{results.path} has detections of category {min(unknown_ids)}, which is not among the "
            f"{len(category_ids)} categories of {annotation_file}; categories are meant by id"
        )
    if "segm" in tasks and results.mask_areas is None:
        raise InputError(f"{results.path} has detections without masks; leave out task segm")
    if "segm" in tasks and results.mask_sizes_hw is not None:
        _check_mask_sizes(results, images)
    if "bbox" in tasks and not results.has_boxes:
        raise InputError(f"{results.path} has detections without boxes; leave out task bbox")


def _check_mask_sizes(results: ResultsFile, images: Mapping[ImageId, dict]) -> None:
    sizes_hw = np.array([(images[i]["height"], images[i]["width"]) for i in results.image_ids])
    expected = sizes_hw[results.image_indices]
    wrong = np.flatnonzero((results.mask_sizes_hw != expected).any(axis=1))
    if len(wrong):
        raise InputError(
            f"{results.path}: detection number {wrong[0] + 1}: its mask is "
            f"{results.mask_sizes_hw[wrong[0]].tolist()}, its image {expected[wrong[0]].tolist()} "
            "(height, width); masks have to be in the frame of the whole image"
        )


def top_per_group(groups: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    """Return which entries are among the `count` highest-scoring of their group, (N,) bool.

    Of equal scores the earlier entries count as higher.

    Args:
        groups: (N,) integers.
        scores: (N,)

    >>> top_per_group(np.array([1, 1, 2, 1]), np.array([0.2, 0.9, 0.1, 0.5]), 2).tolist()
    [False, True, True, True]
    """
    order = np.lexsort((-scores, groups))
    ordered = groups[order]
    first_of_group = np.searchsorted(ordered, ordered, side="left")
    keep = np.zeros(len(groups), dtype=bool)
    keep[order] = np.arange(len(groups)) - first_of_group < count
    return keep
