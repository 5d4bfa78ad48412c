"""What was found in one image, as numpy arrays.

Shapes: N detections, H x W image, C classes, D embedding width.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from detectron2.structures import Instances

from detic.compact_masks import CompactMasks
from detic.errors import InputError

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects of one image, highest score first; row i of every array is the i-th object.

    ``detections[mask_or_slice_or_index]`` selects rows, ``detections[3]`` gives one row, still as
    Detections.
    """

    boxes_xyxy: np.ndarray  # (N, 4) float32, pixels
    scores: np.ndarray  # (N,) float32 in (0, 1]
    labels: np.ndarray  # (N,) int64 index into the vocabulary
    names: np.ndarray  # (N,) str
    image_size_hw: tuple[int, int]
    parents: np.ndarray | None = None  # (N,) str, "" of classes without; None: no class has one
    # (N, H, W) bool, compact where there are tiles of a huge image; None: not predicted
    masks: np.ndarray | CompactMasks | None = None
    region_embeddings: np.ndarray | None = None  # (N, D) float32 of unit length, with features=True
    class_scores: np.ndarray | None = None  # (N, C) float32 of all classes, with all_scores=True
    track_ids: np.ndarray | None = None  # (N,) int64, -1: not confirmed; None: not tracked

    def __len__(self) -> int:
        return len(self.scores)

    def parent(self, row: int) -> str | None:
        """Return the parent of an object's class, None if it has none."""
        return None if self.parents is None else str(self.parents[row]) or None

    @property
    def shown_names(self) -> list[str]:
        """What the objects are called before people: ``banana``, or ``fruit (banana)``."""
        parents = map(self.parent, range(len(self)))
        return [
            f"{parent} ({name})" if parent else name
            for name, parent in zip(self.names.tolist(), parents, strict=True)
        ]

    def __getitem__(self, rows: int | slice | list[int] | np.ndarray) -> "Detections":
        """Return the chosen rows.

        Args:
            rows: an index, a slice, (N,) bool, or indices in any order.
        """
        if isinstance(rows, int | np.integer):
            rows = [rows]
        columns = {name: getattr(self, name) for name in COLUMNS}
        chosen: dict[str, Any] = {n: c if c is None else c[rows] for n, c in columns.items()}
        return replace(self, **chosen)

    def to_supervision(self) -> "supervision.Detections":
        """Return the same as Roboflow's ``supervision`` knows it, for its trackers and annotators.

        Raises:
            InputError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as e:
            raise InputError(
                "to_supervision() needs the package supervision; install it with "
                "`pip install supervision`"
            ) from e
        data = {"class_name": self.names, "parent": self.parents}
        return supervision.Detections(
            xyxy=self.boxes_xyxy,
            mask=self._supervision_masks(),
            confidence=self.scores,
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={key: column for key, column in data.items() if column is not None},
        )

    def _supervision_masks(self) -> "np.ndarray | supervision.CompactMask | None":
        """Return the masks as supervision has them, of a huge image compact where it can be."""
        import supervision

        if not isinstance(self.masks, CompactMasks):
            return self.masks
        if not hasattr(supervision, "CompactMask"):  # before 0.28
            return np.asarray(self.masks)
        rows = self.masks.run_lengths()
        first_and_last = self.masks.boxes_xyxy - np.array([0, 0, 1, 1])
        return supervision.CompactMask.from_coco_rle(rows, first_and_last, self.image_size_hw)


COLUMNS = (
    "boxes_xyxy",
    "scores",
    "labels",
    "names",
    "parents",
    "masks",
    "region_embeddings",
    "class_scores",
    "track_ids",
)


def from_instances(
    instances: Instances, class_names: np.ndarray, class_parents: np.ndarray | None = None
) -> Detections:
    """Return the model's detections of one image as arrays.

    Args:
        instances: postprocessed, with ``pred_boxes``, ``scores``, ``pred_classes`` and maybe
            ``pred_masks``, ``region_embeddings`` and ``class_scores``.
        class_names: (C,) str.
        class_parents: (C,) str, "" of classes without.
    """
    columns = {
        name: getattr(instances, name).float().cpu().numpy()
        for name in ("scores", "region_embeddings", "class_scores")
        if instances.has(name)
    }
    labels = instances.pred_classes.cpu().numpy()
    height, width = instances.image_size
    border = np.array([width, height, width, height], dtype=np.float32)
    return Detections(
        # Deformable DETR lets boxes reach over the border.
        boxes_xyxy=instances.pred_boxes.tensor.float().cpu().numpy().clip(0, border),
        labels=labels,
        names=class_names[labels],
        parents=None if class_parents is None else class_parents[labels],
        image_size_hw=instances.image_size,
        masks=instances.pred_masks.cpu().numpy() if instances.has("pred_masks") else None,
        **columns,
    )
