"""What was found in one image, as NumPy arrays, with the names and files of ``detic.detections``.

Shapes: N detections, H x W image, D embedding width.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detic_lite.masks import encoded_masks

# What is kept of numbers in files: a thousandth of a pixel, a millionth of a score
_BOX_DIGITS = 3
_SCORE_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Detection:
    """One object."""

    name: str
    score: float  # in (0, 1]
    box_xyxy: tuple[float, float, float, float]  # pixels
    label: int  # index into the vocabulary
    mask: np.ndarray | None = None  # (H, W) bool


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects of one image, highest score first; row i of every array is the i-th object.

    ``detections["red star"]`` selects by name, ``detections[mask_or_slice_or_indices]`` rows;
    ``detections[3]`` gives one row, still as Detections. Iteration gives each object as a Detection.
    """

    boxes_xyxy: np.ndarray  # (N, 4) float32, pixels
    scores: np.ndarray  # (N,) float32 in (0, 1]
    labels: np.ndarray  # (N,) int64 index into the vocabulary
    names: np.ndarray  # (N,) str
    image_size_hw: tuple[int, int]
    masks: np.ndarray | None = None  # (N, H, W) bool; None: not predicted
    region_embeddings: np.ndarray | None = None  # (N, D) float32 of unit length
    file_name: str = ""  # of the image, "" if it was none of a file

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(
        self, rows: int | slice | str | list[int] | list[str] | np.ndarray
    ) -> "Detections":
        """Return the chosen rows: by index, slice, (N,) bool, or the names of classes."""
        if isinstance(rows, int | np.integer):
            rows = [int(rows)]
        named = [rows] if isinstance(rows, str) else rows
        if isinstance(named, list) and any(isinstance(name, str) for name in named):
            rows = np.isin(self.names, named)
        columns = {name: getattr(self, name) for name in _COLUMNS}
        chosen: dict[str, Any] = {n: c if c is None else c[rows] for n, c in columns.items()}
        return replace(self, **chosen)

    def __iter__(self) -> Iterator[Detection]:
        """Yield each object."""
        for row in range(len(self)):
            x1, y1, x2, y2 = self.boxes_xyxy[row].tolist()
            yield Detection(
                name=str(self.names[row]),
                score=float(self.scores[row]),
                box_xyxy=(x1, y1, x2, y2),
                label=int(self.labels[row]),
                mask=None if self.masks is None else self.masks[row],
            )

    def count(self) -> Counter[str]:
        """Return the number of objects of each class."""
        return Counter(self.names.tolist())

    def to_json(self, image_id: int = 1) -> str:
        """Return a JSON object: an entry of the list that ``detic detect --json`` writes.

        Args:
            image_id: of the image, in this entry.
        """
        height, width = self.image_size_hw
        entry = {
            "file_name": self.file_name,
            "image_id": image_id,
            "width": width,
            "height": height,
            "detections": self._entries(),
        }
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))

    def to_coco(self, image_id: int = 1, category_ids: Sequence[int] | None = None) -> list[dict]:
        """Return the objects as COCO's results have them, masks as run lengths.

        Args:
            image_id: of the image in the annotations.
            category_ids: of the classes, by label; None: labels counted from 1.
        """
        rows = []
        for entry, box in zip(self._entries(), self.boxes_xyxy.astype(np.float64), strict=True):
            label = entry["label"]
            row = {
                "image_id": image_id,
                "category_id": label + 1 if category_ids is None else category_ids[label],
                "bbox": _rounded([*box[:2], *(box[2:] - box[:2])]),
                "score": entry["score"],
            }
            rows.append(row | {"segmentation": entry["mask"]} if "mask" in entry else row)
        return rows

    def _entries(self) -> list[dict]:
        entries: list[dict] = [
            {
                "name": str(name),
                "label": int(label),
                "score": round(float(score), _SCORE_DIGITS),
                "box_xyxy": _rounded(box),
            }
            for name, label, score, box in zip(
                self.names, self.labels, self.scores, self.boxes_xyxy, strict=True
            )
        ]
        if self.masks is None:
            return entries
        masks = encoded_masks(self.masks)
        return [entry | {"mask": mask} for entry, mask in zip(entries, masks, strict=True)]


_COLUMNS = ("boxes_xyxy", "scores", "labels", "names", "masks", "region_embeddings")


def _rounded(box: Sequence[float] | np.ndarray) -> list[float]:
    return [round(float(side), _BOX_DIGITS) for side in box]
