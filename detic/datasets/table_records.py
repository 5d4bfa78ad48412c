"""The records of an annotation file, each made when it is asked for.

Shapes: N images, B boxes.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from detectron2.structures import BoxMode

from detic.datasets.annotation_table import (
    POLYGONS,
    RUN_BYTES,
    RUN_TEXT,
    SHOWS_NOTHING,
    TAR_INDEX,
    AnnotationTable,
)
from detic.datasets.image_records import Boxes, ImageRecords, Labels
from detic.datasets.segmentation import give_box_for_mask, warn_of_useless


@dataclass(frozen=True)
class RecordStyle:
    """What the records of a kind of annotation file have."""

    describe: Callable[[AnnotationTable, int], dict]  # the record without its annotations
    with_crowds: bool  # annotations of crowds are there, and all say whether they are some
    with_image_labels: bool  # ``pos_category_ids`` are there
    with_scores: bool = False  # annotations say how sure a detector was of them, if one was asked


@dataclass(frozen=True, eq=False)
class TableRecords(ImageRecords):
    """Records of the images of an annotation file; each access makes a fresh dictionary.

    Args:
        table: the content of the file.
        style: what records have.
        class_of_rank: classes of the model by class of the file, -1 for none; None: the same.
        images: (N,) positions in the file; None: all.
        with_float_boxes: whether boxes are floating point, as the mapper needs them; else they
            have the types that the file has.
        with_box_masks: whether boxes stand for masks that are missing.
        common: what all records have in common.
    """

    table: AnnotationTable
    style: RecordStyle
    class_of_rank: np.ndarray | None = None
    images: np.ndarray | None = None
    with_float_boxes: bool = False
    with_box_masks: bool = False
    common: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table) if self.images is None else len(self.images)

    def __getitem__(self, index: Any) -> Any:
        index = range(len(self))[index]
        image = index if self.images is None else int(self.images[index])
        record = {**self.style.describe(self.table, image), **self.common}
        for name in ("neg_category_ids", "pos_category_ids"):
            if self.class_of_rank is not None and name in record:
                classes = (int(self.class_of_rank[rank]) for rank in record[name])
                record[name] = [c for c in classes if c >= 0]
        record["annotations"] = self._annotations_of(image)
        return record

    def _annotations_of(self, image: int) -> list[dict]:
        """Return the annotations of an image as the mapper takes them."""
        table = self.table
        places = table.annotations_of(image)
        with_floats = self.with_float_boxes
        columns = zip(
            table["boxes"][places].tolist() if with_floats else table.boxes_of(places),
            self._classes(table["classes"][places]).tolist(),
            table.masks_of(places),
            table["crowds"][places].tolist(),
            self._scores_of(places),
            strict=True,
        )
        with_crowds = self.style.with_crowds
        return [self._annotation(*of_one) for of_one in columns if with_crowds or not of_one[3]]

    def _annotation(
        self,
        box: list[float],
        label: int,
        mask: list | dict | None,
        is_crowd: int,
        score: float,
    ) -> dict:
        annotation = {"bbox": box, "bbox_mode": BoxMode.XYWH_ABS, "category_id": label}
        if self.style.with_crowds:
            annotation["iscrowd"] = is_crowd
        if mask is not None:
            annotation["segmentation"] = mask
        elif self.with_box_masks:
            give_box_for_mask(annotation)
        if not math.isnan(score):
            annotation["score"] = score
        return annotation

    def _scores_of(self, annotations: slice) -> list[float]:
        """Return the scores of annotations, NaN where there is none."""
        if self.style.with_scores:
            return self.table["scores"][annotations].tolist()
        return [math.nan] * (annotations.stop - annotations.start)

    def are_wide(self) -> np.ndarray:
        sizes_hw = self._of_images(self.table["sizes_hw"])
        return sizes_hw[:, 1] > sizes_hw[:, 0]

    def boxes(self) -> Boxes:
        images, annotations = self._annotations()
        return Boxes(images, self._are_crowds(annotations), self._have_masks(annotations))

    def box_labels(self) -> Labels:
        images, annotations = self._annotations()
        return Labels(images, self._classes(self.table["classes"][annotations]))

    def image_labels(self) -> Labels:
        images, places = self._ragged(self.table["positive_ends"])
        classes = self._classes(self.table["positive"][places])
        is_kept = (classes >= 0) & self.style.with_image_labels
        return Labels(images[is_kept], classes[is_kept])

    def kept(self, images: np.ndarray) -> "TableRecords":
        if len(images) == len(self):
            return self
        return replace(self, images=images if self.images is None else self.images[images])

    def with_boxes_for_masks(self) -> "TableRecords":
        return replace(self, with_box_masks=True)

    def trainable(self) -> "TableRecords":
        """Return the records as the mapper needs them, see ``trainable_annotations``."""
        return replace(self, with_float_boxes=True)

    def check_places(self, check: Callable[[dict], None]) -> None:
        tars = self._of_images(self.table["place_kinds"]) == TAR_INDEX
        numbers = self._of_images(self.table["tar_indices"])[tars]
        # All of them can be found if the first and the last can.
        for number in {int(numbers.min()), int(numbers.max())} if len(numbers) else ():
            positions = np.flatnonzero(tars)[numbers == number]
            check(self._place(int(positions[0])))

    def _place(self, index: int) -> dict:
        image = index if self.images is None else int(self.images[index])
        return self.style.describe(self.table, image)

    def _of_images(self, values: np.ndarray) -> np.ndarray:
        return values if self.images is None else values[self.images]

    def _ragged(self, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the images, and those of the values that these have."""
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
        starts, ends = self._of_images(starts), self._of_images(ends)
        lengths = ends - starts
        images = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        steps = np.arange(len(images)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return images, np.repeat(starts, lengths) + steps

    def _annotations(self) -> tuple[np.ndarray, np.ndarray]:
        images, annotations = self._ragged(self.table["annotation_ends"])
        if self.style.with_crowds:
            return images, annotations
        is_kept = ~self._are_crowds(annotations)
        return images[is_kept], annotations[is_kept]

    def _are_crowds(self, annotations: np.ndarray) -> np.ndarray:
        return self.table["crowds"][annotations] > 0

    def _have_masks(self, annotations: np.ndarray) -> np.ndarray:
        has_mask = np.isin(self.table["mask_kinds"][annotations], (POLYGONS, RUN_TEXT, RUN_BYTES))
        return has_mask | self.with_box_masks

    def _classes(self, ranks: np.ndarray) -> np.ndarray:
        ranks = ranks.astype(np.int64)
        return ranks if self.class_of_rank is None else self.class_of_rank[ranks]


def warn_of_useless_masks(records: TableRecords) -> None:
    """Warn of masks that show nothing, among the annotations that are kept."""
    table = records.table
    is_useless = table["mask_kinds"] == SHOWS_NOTHING
    if not records.style.with_crowds:
        is_useless &= table["crowds"] == 0
    warn_of_useless(table.path, int(is_useless.sum()))
