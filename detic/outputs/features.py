"""NumPy: the embeddings of all objects of a run, for search and clustering.

Shapes: M objects of all images, C classes, D embedding width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from detic.detections import Detections
from detic.files import unfinished_path
from detic.outputs.writer import Category, ImageRecord, Write


@contextmanager
def write_features(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that collects the objects of an image; the file is written at the end.

    Arrays: ``features`` (M, D) float16 of unit length, ``file_names`` and ``names`` (M,) str,
    ``frames`` (M,) int64, 0 in images, ``boxes_xyxy`` (M, 4), ``scores`` and ``labels`` (M,),
    ``class_names`` (C,) and, where detections have them, ``parents`` (M,) str and
    ``class_scores`` (M, C). Without any image M and D are 0, and there are no ``class_scores``.
    """
    parts: dict[str, list[np.ndarray]] = {}

    def write(image: ImageRecord, detections: Detections) -> None:
        for name, values in _columns(image, detections).items():
            parts.setdefault(name, []).append(values)

    yield write
    if not parts:
        write(ImageRecord("", 0, ""), _nothing(categories))
    arrays: dict[str, Any] = {name: np.concatenate(values) for name, values in parts.items()}
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, class_names=np.array([c.name for c in categories]), **arrays)


def _nothing(categories: Sequence[Category]) -> Detections:
    """Return detections of no image."""
    has_parents = any(category.parent for category in categories)
    return Detections(
        boxes_xyxy=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
        labels=np.zeros(0, np.int64),
        names=np.zeros(0, str),
        image_size_hw=(0, 0),
        parents=np.zeros(0, str) if has_parents else None,
        region_embeddings=np.zeros((0, 0), np.float32),
    )


def _columns(image: ImageRecord, detections: Detections) -> dict[str, np.ndarray]:
    count = len(detections)
    assert detections.region_embeddings is not None  # this format asks for them
    columns = {
        "features": detections.region_embeddings.astype(np.float16),
        "file_names": np.array([image.file_name] * count, dtype=str),
        "frames": np.full(count, image.frame or 0, dtype=np.int64),
        "boxes_xyxy": detections.boxes_xyxy,
        "scores": detections.scores,
        "labels": detections.labels,
        "names": detections.names,
    }
    if detections.parents is not None:
        columns["parents"] = detections.parents
    if detections.class_scores is not None:
        columns["class_scores"] = detections.class_scores.astype(np.float16)
    return columns
