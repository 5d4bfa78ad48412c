"""OpenImages Challenge 2019: its tables as an annotation file, labels expanded by the hierarchy.

A box of a class is also a box of each more general class. An image that shows a class shows the
more general ones. An image without a class is without the more special ones.

Shapes: C classes. ``reach[c, a]`` is true if a is c or an ancestor of c, (C, C) bool.

Source: https://storage.googleapis.com/openimages/web/challenge2019.html
"""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detic.errors import InputError
from detic.progress import track

# Column of a table: how its text is read
BOX_FIELDS = {
    "ImageID": str,
    "LabelName": str,
    "XMin": float,
    "YMin": float,
    "XMax": float,
    "YMax": float,
    "IsGroupOf": int,
}
LABEL_FIELDS = {"ImageID": str, "LabelName": str, "Confidence": float}
SIZE_FIELDS = {"ImageID": str, "width": int, "height": int}


@dataclass(frozen=True)
class VerifiedLabels:
    """The classes of one image that somebody looked for, by class index."""

    present: frozenset[int] = frozenset()
    absent: frozenset[int] = frozenset()


class ClassBox(NamedTuple):
    """A box of one class, or around a group of its objects."""

    class_index: int
    xyxy: tuple[float, float, float, float]  # 0..1 of the image's width and height
    is_group: int


def read_table(path: str | os.PathLike, fields: Mapping[str, Callable]) -> Iterator[tuple]:
    """Yield the values of these fields, line by line, of a table with a header.

    Args:
        path: a file of comma-separated values.
        fields: how to read the text of each field.

    Raises:
        InputError: the file is missing, has other fields, or a line has other values.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            missing = [field for field in fields if field not in header]
            if missing:
                raise InputError(f"{path} has no column {', '.join(missing)}")
            readers = [(header.index(field), read) for field, read in fields.items()]
            for row in track(rows, description=Path(path).name, unit="line", scale=True):
                yield _read_row(path, rows.line_num, row, readers)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _read_row(path, number: int, row: list[str], readers: list[tuple[int, Callable]]) -> tuple:
    try:
        return tuple(read(row[column]) for column, read in readers)
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{path}, line {number}: {row} ({error}); fetch the table again"
        ) from error


def read_categories(path: str | os.PathLike) -> list[dict]:
    """Return the categories of the table ``freebase id,name``, ids from 1 in its order."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not all(len(row) == 2 for row in rows):
        raise InputError(f"{path}: expected lines of a freebase id and a name")
    return [
        {"id": number, "name": name, "freebase_id": freebase_id}
        for number, (freebase_id, name) in enumerate(rows, start=1)
    ]


def read_labels(
    path: str | os.PathLike, class_index: Mapping[str, int], reach: np.ndarray
) -> dict[str, VerifiedLabels]:
    """Return the verified labels of images by image id, expanded.

    Args:
        path: the table of image labels; Confidence 1 is present, 0 absent.
        class_index: class index by freebase id; other labels are passed over.
        reach: (C, C) bool; the identity expands nothing.
    """
    ancestors = [np.flatnonzero(row).tolist() for row in reach]
    descendants = [np.flatnonzero(column).tolist() for column in reach.T]
    present, absent = defaultdict(set), defaultdict(set)
    for image_id, label, confidence in read_table(path, LABEL_FIELDS):
        if label in class_index and confidence > 0:
            present[image_id].update(ancestors[class_index[label]])
        elif label in class_index:
            absent[image_id].update(descendants[class_index[label]])
    return {
        image_id: VerifiedLabels(frozenset(present[image_id]), frozenset(absent[image_id]))
        for image_id in present.keys() | absent.keys()
    }


def read_boxes(
    path: str | os.PathLike, class_index: Mapping[str, int], reach: np.ndarray
) -> dict[str, list[ClassBox]]:
    """Return the boxes of images by image id, each repeated for all classes it belongs to."""
    ancestors = [np.flatnonzero(row).tolist() for row in reach]
    boxes = defaultdict(list)
    for image_id, label, *xyxy, is_group in read_table(path, BOX_FIELDS):
        for index in ancestors[class_index[label]] if label in class_index else ():
            boxes[image_id].append(ClassBox(index, tuple(xyxy), is_group))
    return dict(boxes)


def read_sizes(path: str | os.PathLike) -> dict[str, tuple[int, int]]:
    """Return (height, width) by image id from a table ``ImageID,width,height``."""
    rows = read_table(path, SIZE_FIELDS)
    return {image_id: (height, width) for image_id, width, height in rows}


def relative_path(image_id: str) -> str:
    """Return where an image is below the image folder: ``f/f0a1b2c3d4e5f607.jpg``."""
    return f"{image_id[0]}/{image_id}.jpg"


def to_document(
    image_ids: Iterable[str],
    sizes_hw: Mapping[str, tuple[int, int]],
    categories: Sequence[dict],
    labels: Mapping[str, VerifiedLabels],
    boxes: Mapping[str, list[ClassBox]],
) -> dict:
    """Return the annotation file of some images.

    Args:
        image_ids: the images, in the order of the file.
        sizes_hw: (height, width) in pixels by image id.
        categories: as ``read_categories`` returns them.
        labels: as ``read_labels`` returns them; classes with boxes count as present.
        boxes: as ``read_boxes`` returns them.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id in image_ids:
        height, width = sizes_hw[image_id]
        found = boxes.get(image_id, [])
        verified = labels.get(image_id, VerifiedLabels())
        present = verified.present | {box.class_index for box in found}
        images.append(
            {
                "id": image_id,
                "file_name": relative_path(image_id),
                "width": width,
                "height": height,
                "neg_category_ids": [categories[i]["id"] for i in sorted(verified.absent)],
                "pos_category_ids": [categories[i]["id"] for i in sorted(present)],
            }
        )
        for box in found:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": categories[box.class_index]["id"],
                    "iscrowd": box.is_group,
                    **_in_pixels(box, width, height),
                }
            )
    return {"categories": list(categories), "images": images, "annotations": annotations}


def _in_pixels(box: ClassBox, width: int, height: int) -> dict:
    """Return the box as XYWH in pixels, and its area, rounded to hundredths."""
    x0, y0, x1, y1 = box.xyxy
    bbox = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
    return {"bbox": [round(value, 2) for value in bbox], "area": round(bbox[2] * bbox[3], 2)}
