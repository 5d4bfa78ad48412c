"""Files of detections in COCO's result format, and the columns of them that scoring needs.

N detections of I images.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import compress, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np

from detic.errors import InputError, shown
from detic.result_rows import ImageId

LINES_PER_CHUNK = 4096  # parsed at once: a call for each line would take most of the time


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
    content: list[dict] | None = None  # None: the file has one detection a line, after a first "["

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def tasks(self) -> list[str]:
        """What can be scored of the detections: bbox, segm."""
        present = {"bbox": self.has_boxes, "segm": self.mask_areas is not None}
        return [task for task, is_there in present.items() if is_there]

    def rows(self, keep: np.ndarray) -> Iterator[dict]:
        """Yield the detections for which ``keep``, (N,) bool, is true."""
        if self.content is not None:
            yield from compress(self.content, keep.tolist())
            return
        with open(self.path, "rb") as file:
            lines = compress(islice(file, 1, None), keep.tolist())
            while chunk := b"".join(islice(lines, LINES_PER_CHUNK)):
                yield from json.loads(b"[" + chunk.rstrip(b",\n") + b"]")

    def rows_of_images(self, image_ids: Collection[ImageId]) -> Iterator[dict]:
        """Yield the detections of some images."""
        wanted = [index for index, image in enumerate(self.image_ids) if image in image_ids]
        return self.rows(np.isin(self.image_indices, wanted))

    @contextmanager
    def only(self, keep: np.ndarray) -> Iterator["ResultsFile"]:
        """Give a temporary file of the detections for which ``keep``, (N,) bool, is true."""
        if keep.all():
            yield self
            return
        beside = self.path.parent if self.content is None else None  # else it is a user's folder
        with TemporaryDirectory(prefix=".results-", dir=beside) as folder:
            path = Path(folder) / self.path.name
            with open(path, "wb") as target:
                self._copy(keep, target)
            columns = ("image_indices", "category_ids", "scores", "mask_areas", "mask_sizes_hw")
            kept: dict[str, Any] = {name: _select(getattr(self, name), keep) for name in columns}
            yield replace(self, path=path, content=None, **kept)

    @contextmanager
    def with_image_ids(self, new_id_of: Mapping[ImageId, Any]) -> Iterator["ResultsFile"]:
        """Give a temporary file whose images have other ids; the ids that are not there stay."""
        with TemporaryDirectory(prefix=".results-") as folder:
            path = Path(folder) / self.path.name
            everything = np.ones(len(self), dtype=bool)
            with open(path, "wb") as target:
                rows = (
                    row | {"image_id": new_id_of.get(row["image_id"], row["image_id"])}
                    for row in self.rows(everything)
                )
                _write_rows(rows, target)
            image_ids = [new_id_of.get(image_id, image_id) for image_id in self.image_ids]
            yield replace(self, path=path, content=None, image_ids=image_ids)

    def _copy(self, keep: np.ndarray, target: BinaryIO) -> None:
        """Write some detections as a json list with one a line."""
        if self.content is not None:
            _write_rows(self.rows(keep), target)
            return
        target.write(b"[\n")
        with open(self.path, "rb") as file:
            target.writelines(compress(islice(file, 1, None), keep.tolist()))
        if keep.any() and not keep[-1]:  # the last line written has a comma
            target.seek(-len(b",\n"), os.SEEK_END)
            target.write(b"\n")
            target.truncate()
        target.write(b"]\n")


def _write_rows(rows: Iterable[dict], target: BinaryIO) -> None:
    """Write detections as a json list with one a line."""
    lines = (json.dumps(row).encode("ascii") for row in rows)
    target.write(b"[\n" + b",\n".join(lines) + b"\n]\n")


def _select(column: np.ndarray | None, keep: np.ndarray) -> np.ndarray | None:
    return None if column is None else column[keep]


def check_fits(
    results: ResultsFile,
    images: Mapping[Any, dict],
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
            f"{results.path} has detections on image {shown(unknown)}, which is not among the "
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


def _check_mask_sizes(results: ResultsFile, images: Mapping[Any, dict]) -> None:
    if results.mask_sizes_hw is None:
        return
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
    """Return which entries are among the ``count`` highest-scoring of their group, (N,) bool.

    Of equal scores the earlier entries count as higher.

    Args:
        groups: (N,) integers, not negative.
        scores: (N,)

    >>> top_per_group(np.array([1, 1, 2, 1]), np.array([0.2, 0.9, 0.1, 0.5]), 2).tolist()
    [False, True, True, True]
    """
    if np.bincount(groups).max(initial=0) <= count:
        return np.ones(len(groups), dtype=bool)
    order = np.lexsort((-scores, groups))
    ordered = groups[order]
    first_of_group = np.searchsorted(ordered, ordered, side="left")
    keep = np.zeros(len(groups), dtype=bool)
    keep[order] = np.arange(len(groups)) - first_of_group < count
    return keep
