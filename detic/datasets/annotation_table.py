"""The content of an annotation file as flat arrays: what training reads, a tenth of the memory.

Shapes: N images by rising id, A annotations by image, P polygons, R run-length masks, L labels.

Numbers of polygons are hundredths where that is exact, as in the files of LVIS and COCO: a text such
as 510.66 is read as the float that is nearest, and so is 51066 / 100.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from detic.datasets.annotation_fields import FAR_PX, MAX_SIDE_PX
from detic.errors import InputError, in_short
from detic.shared_arrays import SharedArrays

HUNDRED = 100
NO_MASK, POLYGONS, RUN_TEXT, RUN_BYTES, SHOWS_NOTHING = range(5)  # kinds of masks
NO_PLACE, FILE_NAME, COCO_URL, TAR_INDEX = range(4)  # kinds of places
NO_CAPTIONS, TEXTS, OTHER_CAPTIONS = range(3)
# Bits of ``has_lists``, in the order of LABEL_LISTS
HAS_POSITIVE, HAS_NEGATIVE, HAS_NOT_EXHAUSTIVE = 1, 2, 4

# What the arrays are: the name of a length and what each of its items has
IMAGE_ARRAYS = {
    "image_ids": ("<i8", ()),  # 0 where ids are texts
    "sizes_hw": ("<i4", (2,)),
    "place_kinds": ("|u1", ()),
    "tar_indices": ("<i8", ()),
    "has_lists": ("|u1", ()),
    "caption_kinds": ("|u1", ()),
    "annotation_ends": ("<i8", ()),
}
ANNOTATION_ARRAYS = {
    "classes": ("<i4", ()),  # ranks of category ids
    "crowds": ("|u1", ()),
    "boxes": ("<f8", (4,)),  # XYWH, pixels
    "whole_numbers": ("|u1", ()),  # bit i: number i of the box is written as an integer
    "mask_kinds": ("|u1", ()),
    "part_starts": ("<i8", ()),  # of the polygons of a mask, or its run lengths
    "part_counts": ("<i4", ()),
}
# Values of different lengths, one after the other; ``<name>_ends`` says where each ends
RAGGED_ARRAYS = {
    "id_texts": ("|u1",),  # N
    "places": ("|u1",),  # N
    "extras": ("|u1",),  # N; captions and their features, as JSON
    "positive": ("<i4",),  # N; class ranks
    "negative": ("<i4",),  # N; class ranks
    "not_exhaustive": ("<i8",),  # N; category ids
    "polygons": ("<i4", "<f8"),  # P; hundredths of pixels or pixels
    "run_texts": ("|u1",),  # R
}
OF_IMAGES = ("id_texts", "places", "extras", "positive", "negative", "not_exhaustive")


@dataclass(frozen=True, eq=False)
class AnnotationTable:
    """An annotation file that was checked.

    Args:
        path: of the file.
        categories: by rising id, with ``id`` and ``name``.
        has_text_ids: whether the ids of images are texts.
        arrays: those above, ``run_sizes`` (R, 2), and ``polygon_bits``: which numbers of polygons
            are written as integers, a bit each; empty if none is. ``scores`` (A,) float64 of
            predictions, NaN where there is none; empty if none has one.
    """

    path: str
    categories: list[dict]
    has_text_ids: bool
    arrays: SharedArrays
    _views: dict[str, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "_views", dict(self.arrays))

    def __reduce__(self):
        return AnnotationTable, (self.path, self.categories, self.has_text_ids, self.arrays)

    def __len__(self) -> int:
        return len(self._views["image_ids"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self._views[name]

    @cached_property
    def class_index(self) -> dict[int, int]:
        """The 0-based index of each category id."""
        return {category["id"]: index for index, category in enumerate(self.categories)}

    def image_id(self, image: int) -> int | str:
        if self.has_text_ids:
            return self.text("id_texts", image)
        return int(self["image_ids"][image])

    def text(self, name: str, index: int) -> str:
        """Return a text among ragged bytes."""
        return self.ragged(name, index).tobytes().decode()

    def ragged(self, name: str, index: int) -> np.ndarray:
        """Return the values of one of the ``RAGGED_ARRAYS``."""
        ends = self[f"{name}_ends"]
        return self[name][ends[index - 1] if index else 0 : ends[index]]

    def has_list(self, image: int, bit: int) -> bool:
        """Return whether the file has a list of an image: HAS_POSITIVE, HAS_NEGATIVE or another."""
        return bool(self["has_lists"][image] & bit)

    def extras(self, image: int) -> dict:
        """Return the captions of an image and their features, if the file has them."""
        content = self.ragged("extras", image).tobytes()
        return json.loads(content) if content else {}

    def annotations_of(self, image: int) -> slice:
        """Return the positions of the annotations of an image."""
        ends = self["annotation_ends"]
        return slice(int(ends[image - 1]) if image else 0, int(ends[image]))

    def boxes_of(self, annotations: slice) -> list[list[float]]:
        """Return boxes with the types of numbers that the file has."""
        boxes = self["boxes"][annotations].tolist()
        for box, whole in zip(boxes, self["whole_numbers"][annotations].tolist(), strict=True):
            if whole:
                box[:] = [int(v) if whole >> i & 1 else v for i, v in enumerate(box)]
        return boxes

    def masks_of(self, annotations: slice) -> list[list[list[float]] | dict | None]:
        """Return masks as ``usable_mask`` does."""
        columns = (
            self[f"{name}s"][annotations] for name in ("mask_kind", "part_start", "part_count")
        )
        return [
            self._mask(*of_one) for of_one in zip(*map(np.ndarray.tolist, columns), strict=True)
        ]

    def _mask(self, kind: int, start: int, count: int) -> list[list[float]] | dict | None:
        if kind == POLYGONS:
            return self._polygons(start, start + count)
        if kind not in (RUN_TEXT, RUN_BYTES):
            return None
        counts = self.ragged("run_texts", start).tobytes()
        size_hw = self["run_sizes"][start].tolist()
        return {"size": size_hw, "counts": counts if kind == RUN_BYTES else counts.decode()}

    def _polygons(self, start: int, end: int) -> list[list[float]]:
        ends = self["polygons_ends"]
        places = [int(ends[start - 1]) if start else 0, *ends[start:end].tolist()]
        numbers = self["polygons"][places[0] : places[-1]]
        if numbers.dtype.kind == "i":
            numbers = numbers / HUNDRED
        values, first = numbers.tolist(), places[0]
        if len(self["polygon_bits"]):
            _make_integers(values, self["polygon_bits"], first)
        return [values[a - first : b - first] for a, b in pairwise(places)]

    def used_categories(self) -> set[int]:
        """Return the ids of categories that boxes or image labels have."""
        ranks = np.union1d(np.unique(self["classes"]), np.unique(self["positive"]))
        return {self.categories[rank]["id"] for rank in ranks.tolist()}

    def error(self, image: int, problem: str) -> InputError:
        """Return the error for an image, e.g. "x.json: image 7: ..."."""
        return InputError(f"{self.path}: image {in_short(str(self.image_id(image)))}: {problem}")


def _make_integers(values: list[float], bits: np.ndarray, first: int) -> None:
    """Make those numbers integers that the file has as integers.

    Args:
        values: changed in place.
        bits: one for each number of the file, eight in each item.
        first: the position of the first value in the file.
    """
    start = first % 8
    some = np.unpackbits(bits[first // 8 : (first + len(values) + 7) // 8], bitorder="little")
    for place in np.flatnonzero(some[start : start + len(values)]).tolist():
        values[place] = int(values[place])


def check_arrays(arrays: Mapping[str, np.ndarray], num_categories: int) -> None:
    """Check that arrays from a file are those of a table, so that nothing can be read beside them.

    Raises:
        ValueError: they are not.
    """
    num_images = len(arrays["image_ids"])
    num_annotations = len(arrays["classes"])
    num_runs = len(arrays["run_sizes"])
    for length, kinds in ((num_images, IMAGE_ARRAYS), (num_annotations, ANNOTATION_ARRAYS)):
        for name, (dtype, item) in kinds.items():
            _expect(arrays[name].dtype.str == dtype and arrays[name].shape == (length, *item), name)
    bits, num_numbers = arrays["polygon_bits"], len(arrays["polygons"])
    _expect(bits.dtype.str == "|u1" and bits.ndim == 1, "polygon_bits")
    _expect(len(bits) in (0, (num_numbers + 7) // 8), "polygon_bits")
    scores = arrays["scores"]
    _expect(scores.dtype.str == "<f8" and scores.shape in ((0,), (num_annotations,)), "scores")
    _expect(arrays["run_sizes"].dtype.str == "<i4", "run_sizes")
    _expect(arrays["run_sizes"].shape == (num_runs, 2), "run_sizes")
    lengths = dict.fromkeys(OF_IMAGES, num_images) | {"run_texts": num_runs}
    for name, dtypes in RAGGED_ARRAYS.items():
        values, ends = arrays[name], arrays[f"{name}_ends"]
        _expect(values.dtype.str in dtypes and values.ndim == 1, name)
        _expect(ends.shape == (lengths.get(name, len(ends)),), name)
        _check_ends(ends, len(values), name)
    _check_ends(arrays["annotation_ends"], num_annotations, "annotation_ends")
    for name in ("classes", "positive", "negative"):
        _expect(_are_within(arrays[name], 0, num_categories - 1), name)
    _expect(_are_within(arrays["sizes_hw"], 1, MAX_SIDE_PX), "sizes_hw")
    _expect(_are_within(arrays["boxes"], -FAR_PX, FAR_PX), "boxes")
    _check_parts(arrays, len(arrays["polygons_ends"]), num_runs)


def _check_parts(arrays: Mapping[str, np.ndarray], num_polygons: int, num_runs: int) -> None:
    kinds, starts, counts = (arrays[f"{n}s"] for n in ("mask_kind", "part_start", "part_count"))
    _expect(_are_within(kinds, NO_MASK, SHOWS_NOTHING), "mask_kinds")
    _expect(_are_within(arrays["place_kinds"], NO_PLACE, TAR_INDEX), "place_kinds")
    has_runs = (kinds == RUN_TEXT) | (kinds == RUN_BYTES)
    for is_kind, total in ((kinds == POLYGONS, num_polygons), (has_runs, num_runs)):
        first, number = starts[is_kind], counts[is_kind]
        _expect(_are_within(first, 0, total), "part_starts")
        _expect(_are_within(number, 1, total), "part_counts")
        _expect(_are_within(first + number, 1, total), "part_counts")


def _check_ends(ends: np.ndarray, total: int, name: str) -> None:
    is_rising = ends.dtype.str == "<i8" and ends.ndim == 1
    is_rising = is_rising and not (np.diff(ends, prepend=np.int64(0)) < 0).any()
    _expect(is_rising and (int(ends[-1]) if len(ends) else 0) == total, name)


def _are_within(values: np.ndarray, low: float, high: float) -> bool:
    return not len(values) or bool(values.min() >= low and values.max() <= high)


def _expect(is_met: Any, name: str) -> None:
    if not is_met:
        raise ValueError(f"{name!r} is not as it was written")


def ends_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where values of these lengths end, one after the other, int64."""
    return np.cumsum(lengths, dtype=np.int64)
