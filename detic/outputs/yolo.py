"""YOLO: a text file per image, a line per detection, in fractions of the image's size.

Boxes are ``class x_centre y_centre width height``; where there are masks, lines are polygons,
``class x1 y1 x2 y2 ...``, of the largest part of each. Classes count from 0.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import yaml

from detic.compact_masks import mask_window
from detic.detections import Detections
from detic.files import unfinished_text
from detic.outputs.writer import Category, ImagePaths, ImageRecord, Write

_CLASS_LIST = "classes.txt"


@contextmanager
def write_yolo(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that writes ``labels/<image>.txt`` below ``path``.

    ``data.yaml`` and ``labels/classes.txt`` name the classes for the programs that read either.
    Trainers look for the images in ``images/``, where ``data.yaml`` sends them.
    """
    paths = label_paths(path)
    names = [category.name for category in categories]
    with unfinished_text(path / "data.yaml") as file:
        images = {"train": "images", "val": "images"}
        document = images | {"nc": len(names), "names": dict(enumerate(names))}
        yaml.safe_dump(document, file, allow_unicode=True, sort_keys=False)
    with unfinished_text(paths.folder / _CLASS_LIST) as file:
        file.writelines(f"{name}\n" for name in names)

    def write(image: ImageRecord, detections: Detections) -> None:
        with unfinished_text(paths.path(image)) as file:
            file.writelines(f"{line}\n" for line in label_lines(detections))

    yield write


def label_paths(folder: Path) -> ImagePaths:
    """Return the names of the label files."""
    return ImagePaths(folder / "labels", ".txt", taken={_CLASS_LIST: "the list of classes"})


def label_lines(detections: Detections) -> Iterator[str]:
    """Yield one line a detection."""
    height, width = detections.image_size_hw
    for i, label in enumerate(detections.labels):
        if detections.masks is None:
            x1, y1, x2, y2 = detections.boxes_xyxy[i]
            points = np.array([[(x1 + x2) / 2, (y1 + y2) / 2], [x2 - x1, y2 - y1]])
        else:
            mask = mask_window(detections.masks, i)
            shape = outline(mask.pixels) if mask.pixels.size else None
            corner = np.array([mask.x, mask.y])
            points = _corners(detections.boxes_xyxy[i]) if shape is None else shape + corner
        numbers = (points / (width, height)).clip(0, 1).ravel()
        yield " ".join([str(int(label)), *(f"{number:.6f}" for number in numbers)])


def outline(mask: np.ndarray) -> np.ndarray | None:
    """Return the outline (P, 2) xy of the largest part of a mask (H, W) bool.

    Its points are pixels of the part; None where the part encloses nothing.
    """
    contours, _ = cv2.findContours(
        np.ascontiguousarray(mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    largest = max(contours, key=cv2.contourArea, default=None)
    return None if largest is None or len(largest) < 3 else largest[:, 0]


def _corners(box_xyxy: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box_xyxy
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
