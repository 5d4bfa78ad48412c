"""The records of images: dicts, one an image, and what all of them together say as arrays.

Shapes: N images, B boxes, L labels.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np

from detic.datasets.segmentation import give_box_for_mask

R = TypeVar("R", bound="ImageRecords")
S = TypeVar("S", bound=Sequence)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labels:
    """Classes of images, of their boxes or of them as wholes."""

    images: np.ndarray  # (L,) int64: positions of images, rising
    classes: np.ndarray  # (L,) int64

    def of_images_once(self) -> "Labels":
        """Return the labels without those that an image repeats."""
        low = self.classes.min(initial=0)
        span = self.classes.max(initial=0) - low + 1
        keys = np.unique(self.images * span + (self.classes - low))
        return Labels(keys // span, keys % span + low)


@dataclass(frozen=True, eq=False)
class Boxes:
    """What the annotations of images are."""

    images: np.ndarray  # (B,) int64: positions of images, rising
    is_crowd: np.ndarray  # (B,) bool
    has_mask: np.ndarray  # (B,) bool


class ImageRecords(Sequence[dict]):
    """The records of some images; what all say together is known without making the dicts."""

    @abstractmethod
    def are_wide(self) -> np.ndarray:
        """Return which images are wider than high, (N,) bool; those of unknown size are not."""

    @abstractmethod
    def boxes(self) -> Boxes:
        """Return what the annotations are."""

    @abstractmethod
    def box_labels(self) -> Labels:
        """Return the classes of the annotations."""

    @abstractmethod
    def image_labels(self) -> Labels:
        """Return the classes that images are labelled with, ``pos_category_ids``."""

    @abstractmethod
    def kept(self, images: np.ndarray) -> "ImageRecords":
        """Return the records at some positions."""

    @abstractmethod
    def with_boxes_for_masks(self: R) -> R:
        """Return the records with the box for a mask where there is none, see ``fill_missing_masks``."""

    @abstractmethod
    def check_places(self, check: Callable[[dict], None]) -> None:
        """Check where the images are.

        Args:
            check: raises an InputError for a record whose image cannot be found.
        """


class RecordList(list, ImageRecords):
    """Records that some other loader has made."""

    def are_wide(self) -> np.ndarray:
        wide = [record.get("width", 0) > record.get("height", 0) for record in self]
        return np.array(wide, dtype=bool)

    def boxes(self) -> Boxes:
        annotations = list(chain.from_iterable(map(_annotations, self)))
        return Boxes(
            images=_repeated([len(_annotations(record)) for record in self]),
            is_crowd=np.array([bool(a.get("iscrowd", 0)) for a in annotations], dtype=bool),
            has_mask=np.array(["segmentation" in a for a in annotations], dtype=bool),
        )

    def box_labels(self) -> Labels:
        return _labels([[a["category_id"] for a in _annotations(record)] for record in self])

    def image_labels(self) -> Labels:
        return _labels([record.get("pos_category_ids", ()) for record in self])

    def kept(self, images: np.ndarray) -> "RecordList":
        return RecordList(self[i] for i in images.tolist())

    def with_boxes_for_masks(self: R) -> R:
        for record in self:
            for annotation in _annotations(record):
                if "segmentation" not in annotation:
                    give_box_for_mask(annotation)
        return self

    def check_places(self, check: Callable[[dict], None]) -> None:
        for record in self:
            check(record)


class JoinedSequence(Sequence, Generic[S]):
    """Sequences one after the other."""

    def __init__(self, parts: Iterable[S]):
        self.parts: list[S] = list(parts)
        self._ends = np.cumsum([len(part) for part in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: Any) -> Any:
        part, position = self.place(range(len(self))[index])
        return self.parts[part][position]

    def place(self, index: int) -> tuple[int, int]:
        """Return the part that an item is of, and its position there."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        return part, index - (int(self._ends[part - 1]) if part else 0)


class JoinedRecords(JoinedSequence[ImageRecords], ImageRecords):
    """The records of several datasets, one after the other."""

    def are_wide(self) -> np.ndarray:
        return np.concatenate([part.are_wide() for part in self.parts])

    def boxes(self) -> Boxes:
        parts = [part.boxes() for part in self.parts]
        return Boxes(
            self._joined_positions(parts),
            np.concatenate([part.is_crowd for part in parts]),
            np.concatenate([part.has_mask for part in parts]),
        )

    def box_labels(self) -> Labels:
        return self._joined_labels([part.box_labels() for part in self.parts])

    def image_labels(self) -> Labels:
        return self._joined_labels([part.image_labels() for part in self.parts])

    def kept(self, images: np.ndarray) -> "JoinedRecords":
        starts = [0, *self._ends.tolist()]
        of_parts = zip(self.parts, starts, starts[1:], strict=False)
        return JoinedRecords(
            part.kept(images[(images >= start) & (images < end)] - start)
            for part, start, end in of_parts
        )

    def with_boxes_for_masks(self) -> "JoinedRecords":
        return JoinedRecords(part.with_boxes_for_masks() for part in self.parts)

    def check_places(self, check: Callable[[dict], None]) -> None:
        for part in self.parts:
            part.check_places(check)

    def _joined_positions(self, parts: Sequence[Boxes | Labels]) -> np.ndarray:
        starts = [0, *self._ends.tolist()]
        return np.concatenate([p.images + start for p, start in zip(parts, starts, strict=False)])

    def _joined_labels(self, parts: Sequence[Labels]) -> Labels:
        classes = np.concatenate([part.classes for part in parts])
        return Labels(self._joined_positions(parts), classes)


def joined(parts: Sequence[ImageRecords]) -> ImageRecords:
    """Return the records of several datasets as those of one."""
    return parts[0] if len(parts) == 1 else JoinedRecords(parts)


def as_image_records(records: Sequence[dict]) -> ImageRecords:
    """Return records that a user's loader may have made."""
    return records if isinstance(records, ImageRecords) else RecordList(records)


def have_boxes(records: ImageRecords) -> np.ndarray:
    """Return which images have an annotation that is no crowd, (N,) bool."""
    boxes = records.boxes()
    return np.bincount(boxes.images[~boxes.is_crowd], minlength=len(records)) > 0


def fill_missing_masks(records: R, origin: str) -> R:
    """Return records in which all annotations have masks, if some have.

    Args:
        records: may be changed in place.
        origin: where they are from, for the warning.
    """
    has_mask = records.boxes().has_mask
    num_without = int((~has_mask).sum())
    if not 0 < num_without < len(has_mask):
        return records
    logger.warning(
        "%s: %d of %d annotations have no mask; they train boxes and classes only",
        *(origin, num_without, len(has_mask)),
    )
    return records.with_boxes_for_masks()


def _annotations(record: dict) -> Sequence[dict]:
    return record.get("annotations", ())


def _labels(classes_of: Sequence[Sequence[int]]) -> Labels:
    classes = np.array(list(chain.from_iterable(classes_of)), dtype=np.int64)
    return Labels(_repeated(list(map(len, classes_of))), classes)


def _repeated(counts: Sequence[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts), dtype=np.int64), np.array(counts, dtype=np.int64))


class RecordsOnDemand:
    """A loader for ``DatasetCatalog``, which gives whoever calls it a list of dicts.

    Args:
        load: returns records that are made when they are asked for.
    """

    def __init__(self, load: Callable[[], ImageRecords]):
        self.load = load

    def __call__(self) -> list[dict]:
        """Return all records."""
        return list(self.load())
