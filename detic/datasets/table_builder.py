"""From the records of an annotation file to the arrays of an ``AnnotationTable``.

Shapes: N images, A annotations, P polygons.
"""

import json
from array import array
from collections.abc import Iterable, Sequence, Sized
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from detic.datasets.annotation_fields import (
    ANNOTATION_FIELDS,
    CATEGORY_FIELDS,
    FAR_PX,
    IMAGE_FIELDS,
    LABEL_LISTS,
    MAX_ID,
    MAX_SIDE_PX,
    is_score,
    read_fields,
    read_label_lists,
    read_location,
)
from detic.datasets.annotation_table import (
    COCO_URL,
    FILE_NAME,
    HAS_NOT_EXHAUSTIVE,
    HUNDRED,
    NO_CAPTIONS,
    NO_MASK,
    NO_PLACE,
    OTHER_CAPTIONS,
    POLYGONS,
    RUN_BYTES,
    RUN_TEXT,
    SHOWS_NOTHING,
    TAR_INDEX,
    TEXTS,
    AnnotationTable,
    ends_of,
)
from detic.datasets.run_lengths import are_sound
from detic.datasets.segmentation import (
    CHUNK,
    FAR_SIDES,
    MIN_NUMBERS,
    run_length_problem,
    usable_mask,
)
from detic.datasets.segmentation import (
    SHOWS_NOTHING as PROBLEMS_THAT_SHOW_NOTHING,
)
from detic.shared_arrays import ArrayWriter

PLACES = {FILE_NAME: "file_name", COCO_URL: "coco_url", TAR_INDEX: "tar_index"}  # the first counts
EXTRAS = ("captions", "caption_features")
RAGGED_OF_IMAGES = {"positive": 0, "negative": 1, "not_exhaustive": 2}  # places in LABEL_LISTS


class NotInForm(ValueError):
    """Records that are damaged, or that only a look at the whole file makes sense of."""


class TableBuilder:
    """Collector of records, block by block; they may be forgotten afterwards."""

    def __init__(self):
        self._columns: dict[str, list] = {}
        self._categories: list[dict] = []
        self._annotation_ids: set = set()
        self._num_annotations = self._num_polygons = self._num_runs = 0
        self._num_without_id = 0

    def _add(self, **columns: Any) -> None:
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)

    def add_categories(self, categories: Sequence[dict]) -> None:
        """Add categories.

        Raises:
            ValueError: one is not as it should be.
        """
        for category in categories:
            read_fields(category, CATEGORY_FIELDS, "")
            self._categories.append({name: category[name] for name in ("id", "name")})

    def add_images(self, images: Sequence[dict]) -> None:
        """Add images, which are given the form used everywhere.

        Raises:
            ValueError: one is not as it should be.
        """
        for image in images:
            if not _is_image_in_form(image):
                read_fields(image, IMAGE_FIELDS, "")
                read_location(image, "")
        places, kinds, tars = _places(images)
        self._add(
            ids=_identifiers([image["id"] for image in images]),
            sizes_hw=_integers([(im["height"], im["width"]) for im in images]).reshape(-1, 2),
            place_kinds=np.array(kinds, dtype=np.uint8),
            tar_indices=_integers(tars),
            places=_texts(places),
        )
        self._add_extras(images)
        self._add_label_lists(images)

    def _add_extras(self, images: Sequence[dict]) -> None:
        """Add captions and their features."""
        if not any(name in image for image in images for name in EXTRAS):
            nothing = np.zeros(len(images), dtype=np.int64)
            self._add(extras=(np.empty(0, dtype=np.uint8), nothing))
            self._add(caption_kinds=nothing.astype(np.uint8))
            return
        kinds = [_caption_kind(image) for image in images]
        self._add(extras=_texts([_extras(image) for image in images]))
        self._add(caption_kinds=np.array(kinds, dtype=np.uint8))

    def _add_label_lists(self, images: Sequence[dict]) -> None:
        lists = [image[name] for name in LABEL_LISTS for image in images if name in image]
        if not all(type(ids) is list for ids in lists) or not _are_ids(lists):
            for image in images:
                read_label_lists(image, None, "")
        bits = np.zeros(len(images), dtype=np.uint8)
        for name, place in RAGGED_OF_IMAGES.items():
            field = LABEL_LISTS[place]
            bits |= np.array([(field in image) << place for image in images], dtype=np.uint8)
            of_images = [image.get(field, ()) for image in images]
            values = _integers(list(chain.from_iterable(of_images)))
            self._add(**{name: (values, np.array(list(map(len, of_images)), dtype=np.int64))})
        self._add(has_lists=bits)

    def add_annotations(self, annotations: Sequence[dict]) -> None:
        """Add annotations, which are given the form used everywhere.

        Raises:
            ValueError: one is not as it should be, or its box is to be made of its mask.
        """
        columns = _columns(annotations)
        if not _are_in_form(columns):
            for annotation in annotations:
                read_fields(annotation, ANNOTATION_FIELDS, "")
            columns = _columns(annotations)
        ids = [number for number in columns.ids if number is not None]
        self._annotation_ids.update(ids)
        self._num_annotations += len(annotations)
        self._num_without_id += len(annotations) - len(ids)
        are_whole = np.zeros(4 * len(annotations), dtype=bool)
        if int in columns.box_types:
            numbers = chain.from_iterable(columns.boxes)
            are_whole = np.array([type(number) is int for number in numbers], dtype=bool)
        self._add(
            image_of=_identifiers(columns.images),
            category_of=_integers(columns.categories),
            crowds=np.array(columns.crowds, dtype=np.uint8),
            boxes=_numbers(columns.boxes).reshape(-1, 4),
            whole_numbers=np.packbits(are_whole.reshape(-1, 4), axis=1, bitorder="little")[:, 0],
            scores=_scores(annotations),
        )
        self._add_masks([annotation.get("segmentation") for annotation in annotations])

    def _add_masks(self, masks: Sequence[Any]) -> None:
        of_annotations: list[list[list[float]]] = []
        runs: list[tuple[int, dict]] = []
        for i, mask in enumerate(masks):
            if type(mask) is dict and mask:
                runs.append((i, mask))
            elif mask is not None and type(mask) not in (list, dict):
                raise NotInForm("a mask")
            of_annotations.append(mask if type(mask) is list else [])
        kinds, starts, counts = self._add_polygons(of_annotations)
        self._add_runs(runs, kinds, starts, counts)
        self._add(mask_kinds=kinds, part_starts=starts, part_counts=counts)

    def _add_polygons(
        self, of_annotations: Sequence[list[list[float]]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Add polygons, and return the kinds, starts and counts of the masks that they make."""
        polygons = list(chain.from_iterable(of_annotations))
        if not set(map(type, polygons)) <= {list}:
            raise NotInForm("a polygon")
        counts = _lengths(of_annotations)
        owners = np.repeat(np.arange(len(counts)), counts)
        lengths = _lengths(polygons)
        numbers = _numbers(polygons)
        reach = np.zeros(len(counts))
        is_there = lengths > 0
        if is_there.any():
            firsts = (np.cumsum(lengths) - lengths)[is_there]
            peaks = np.maximum.reduceat(np.abs(numbers), firsts)
            np.maximum.at(reach, owners[is_there], peaks)
        self._add(reach=reach)
        is_usable = (lengths >= MIN_NUMBERS) & (lengths % 2 == 0)
        are_whole = _are_integers(polygons, numbers, lengths)
        if not is_usable.all():
            is_kept = np.repeat(is_usable, lengths)
            numbers, are_whole = numbers[is_kept], are_whole[is_kept]
            lengths, owners = lengths[is_usable], owners[is_usable]
        usable = np.bincount(owners, minlength=len(counts))
        kinds = np.where(usable > 0, POLYGONS, np.where(counts > 0, SHOWS_NOTHING, NO_MASK))
        starts = self._num_polygons + np.cumsum(usable) - usable
        self._add(polygons=(as_hundredths(numbers), lengths))
        self._add(are_whole=are_whole)
        self._num_polygons += len(lengths)
        return kinds.astype(np.uint8), starts, usable.astype(np.int32)

    def _add_runs(
        self,
        runs: list[tuple[int, dict]],
        kinds: np.ndarray,
        starts: np.ndarray,
        counts: np.ndarray,
    ) -> None:
        """Add run-length masks, which become compressed."""
        _check_runs([mask for _, mask in runs])
        texts = []
        for number, (i, mask) in enumerate(runs, start=self._num_runs):
            usable = usable_mask(mask)
            content = usable["counts"] if isinstance(usable, dict) else ""
            kinds[i] = RUN_TEXT if isinstance(content, str) else RUN_BYTES
            if usable is None:
                kinds[i] = SHOWS_NOTHING
            starts[i], counts[i] = number, 1
            texts.append(content if isinstance(content, str) else content.decode("ascii"))
        sizes = _integers([list(map(int, mask["size"])) for _, mask in runs]).reshape(-1, 2)
        if sizes.tolist() != [mask["size"] for _, mask in runs]:
            raise NotInForm("the size of a mask")
        first = self._num_annotations - len(kinds)
        self._add(
            run_texts=_texts(texts),
            run_sizes=sizes,
            run_annotations=_integers([first + i for i, _ in runs]),
        )
        self._num_runs += len(runs)

    def finish(self, path: str) -> AnnotationTable:
        """Return the table.

        Raises:
            ValueError: ids are not unique, records refer to others that are not there, or a mask
                is not of its image.
        """
        if len(self._annotation_ids) != self._num_annotations - self._num_without_id:
            raise NotInForm("annotation ids repeat")
        self._annotation_ids = set()
        categories = sorted(self._categories, key=lambda category: category["id"])
        category_ids = _integers([category["id"] for category in categories])
        _expect_unique(category_ids)
        ids = self._joined_ids("ids")
        image_order = _order_of(ids)
        ids = ids[image_order] if isinstance(ids, np.ndarray) else [ids[i] for i in image_order]
        _expect_unique(ids)
        writer = ArrayWriter()
        self._write_images(writer, ids, image_order, category_ids)
        self._write_annotations(writer, ids, category_ids)
        has_text_ids = isinstance(ids, list)
        return AnnotationTable(path, categories, has_text_ids, writer.finish())

    @property
    def lacks_ids(self) -> bool:
        """Whether some annotations have no ids."""
        return self._num_without_id > 0

    def _write_images(
        self, writer: ArrayWriter, ids: Any, order: np.ndarray, category_ids: np.ndarray
    ) -> None:
        is_text = isinstance(ids, list)
        self._sizes_hw = self._joined("sizes_hw", np.int64, (0, 2))[order].astype(np.int32)
        writer.add("image_ids", np.zeros(len(order), dtype=np.int64) if is_text else ids)
        writer.add("sizes_hw", self._sizes_hw)
        for name, dtype in (("place_kinds", np.uint8), ("tar_indices", np.int64)):
            writer.add(name, self._joined(name, dtype)[order])
        for name in ("has_lists", "caption_kinds"):
            writer.add(name, self._joined(name, np.uint8)[order])
        texts, lengths = _texts(ids if is_text else [""] * len(order))
        _write_ragged(writer, "id_texts", texts, lengths)
        for name in ("places", "extras"):
            _write_ragged(writer, name, *self._ordered(name, np.uint8, order))
        for name in RAGGED_OF_IMAGES:
            values, lengths = self._ordered(name, np.int64, order)
            if 1 << RAGGED_OF_IMAGES[name] != HAS_NOT_EXHAUSTIVE:
                values = _ranks(values, category_ids).astype(np.int32)
            _write_ragged(writer, name, values, lengths)

    def _write_annotations(self, writer: ArrayWriter, ids: Any, category_ids: np.ndarray) -> None:
        images = self._joined_ids("image_of")
        image_of = _positions(images, ids)
        order = np.argsort(image_of, kind="stable")
        writer.add(
            "annotation_ends", ends_of(np.bincount(image_of, minlength=len(ids))[: len(ids)])
        )
        ranks = _ranks(self._joined("category_of", np.int64), category_ids)
        writer.add("classes", ranks[order].astype(np.int32))
        writer.add("boxes", self._joined("boxes", np.float64, (0, 4))[order])
        scores = self._joined("scores", np.float64)[order]
        writer.add("scores", scores[:0] if np.isnan(scores).all() else scores)
        for name in ("crowds", "whole_numbers", "mask_kinds"):
            writer.add(name, self._joined(name, np.uint8)[order])
        writer.add("part_starts", self._joined("part_starts", np.int64)[order])
        writer.add("part_counts", self._joined("part_counts", np.int32)[order])
        self._check_masks(image_of)
        _write_ragged(writer, "run_texts", *self._ragged("run_texts", np.uint8))
        writer.add("run_sizes", self._run_sizes.astype(np.int32))
        self._write_polygons(writer)

    def _write_polygons(self, writer: ArrayWriter) -> None:
        """Write the polygons block by block, as they are the most of a file."""
        parts, lengths = self._parts("polygons")
        are_hundredths = all(part.dtype == np.int32 for part in parts)
        if not are_hundredths:
            parts = (_as_pixels(part) for part in parts)
        writer.add_joined("polygons", parts, np.int32 if are_hundredths else np.float64)
        writer.add("polygons_ends", ends_of(_concatenated(lengths, np.int64)))
        are_whole = self._joined("are_whole", bool)
        bits = np.packbits(are_whole, bitorder="little") if are_whole.any() else are_whole[:0]
        writer.add("polygon_bits", bits.astype(np.uint8))

    def _check_masks(self, image_of: np.ndarray) -> None:
        """Check that masks are of the sizes of their images."""
        self._run_sizes = self._joined("run_sizes", np.int64, (0, 2))
        limits = FAR_SIDES * self._sizes_hw.max(axis=1, initial=0).astype(np.int64)
        if not (self._joined("reach", np.float64) <= limits[image_of]).all():
            raise NotInForm("polygons far away from their image")
        of_runs = image_of[self._joined("run_annotations", np.int64)]
        if not (self._run_sizes == self._sizes_hw[of_runs]).all():
            raise NotInForm("run-length masks of another size than their image")

    def _joined(self, name: str, dtype: Any, shape: tuple[int, ...] = (0,)) -> np.ndarray:
        """Return a column, which is forgotten."""
        return _concatenated(self._columns.pop(name, []), dtype, shape)

    def _joined_ids(self, name: str) -> np.ndarray | list[str]:
        parts = self._columns.pop(name, [])
        parts = [part for part in parts if len(part)]
        if all(isinstance(part, list) for part in parts) and parts:
            return list(chain.from_iterable(parts))
        if any(isinstance(part, list) for part in parts):
            raise NotInForm("ids are partly integers, partly texts")
        return _concatenated(parts, np.int64)

    def _parts(self, name: str) -> tuple[Iterable[np.ndarray], list[np.ndarray]]:
        """Return the values and the lengths of ragged parts, which are forgotten."""
        parts = self._columns.pop(name, [])
        return [values for values, _ in parts], [lengths for _, lengths in parts]

    def _ragged(self, name: str, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
        values, lengths = self._parts(name)
        return _concatenated(values, dtype), _concatenated(lengths, np.int64)

    def _ordered(self, name: str, dtype: Any, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, lengths = self._ragged(name, dtype)
        if (np.diff(order) == 1).all():
            return values, lengths
        starts = (np.cumsum(lengths) - lengths)[order]
        lengths = lengths[order]
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return values[np.repeat(starts, lengths) + steps], lengths


def _concatenated(
    parts: Iterable[np.ndarray], dtype: Any, shape: tuple[int, ...] = (0,)
) -> np.ndarray:
    return np.concatenate([np.empty(shape, dtype=dtype), *parts])


def as_hundredths(numbers: np.ndarray) -> np.ndarray:
    """Return numbers times hundred as int32 where that is exact for all, else as they are."""
    scaled = np.rint(numbers * HUNDRED)
    if numbers.size and not np.abs(scaled).max() < 2**31:
        return numbers
    whole = scaled.astype(np.int32)
    return whole if np.array_equal(whole / HUNDRED, numbers) else numbers


def _as_pixels(numbers: np.ndarray) -> np.ndarray:
    return numbers / HUNDRED if numbers.dtype == np.int32 else numbers


def _numbers(lists: Sequence[list]) -> np.ndarray:
    """Return the numbers of lists, one after the other, float64.

    Raises:
        TypeError: something is no number.
    """
    numbers = array("d")
    for values in lists:
        numbers.fromlist(values)
    return np.frombuffer(numbers) if numbers else np.empty(0)


def _are_integers(
    polygons: Sequence[list[float]], numbers: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Return which numbers of polygons are written as integers, (numbers,) bool."""
    are_whole = numbers == np.rint(numbers)
    candidates = np.flatnonzero(are_whole)
    ends = np.cumsum(lengths)
    owners = np.searchsorted(ends, candidates, side="right")
    places = candidates - (ends - lengths)[owners]
    pairs = zip(owners.tolist(), places.tolist(), strict=True)
    are_whole[candidates] = [type(polygons[i][place]) is int for i, place in pairs]
    return are_whole


def _lengths(lists: Sequence[Sized]) -> np.ndarray:
    return np.array(list(map(len, lists)), dtype=np.int64)


class _Columns(NamedTuple):
    """The fields of annotations; None where they are missing."""

    ids: Sequence[Any]
    images: Sequence[Any]
    categories: Sequence[Any]
    boxes: Sequence[Any]
    crowds: Sequence[Any]  # 0 where it is missing
    box_types: set[type]  # of the numbers; empty if boxes are no lists


def _columns(annotations: Sequence[dict]) -> _Columns:
    names = ("id", "image_id", "category_id", "bbox")
    try:
        # Six times as fast as a look at one field after the other
        rows = list(map(itemgetter(*names), annotations))
    except KeyError:
        rows = [tuple(map(annotation.get, names)) for annotation in annotations]
    ids, images, categories, boxes = zip(*rows, strict=True) if rows else ((),) * len(names)
    crowds = [annotation.get("iscrowd", 0) for annotation in annotations]
    are_lists = set(map(type, boxes)) <= {list}
    types = set(map(type, chain.from_iterable(boxes))) if are_lists else set()
    return _Columns(ids, images, categories, boxes, crowds, types)


def _are_in_form(columns: _Columns) -> bool:
    """Return whether all annotations are as most files have them.

    A look at each field of all of them; where it does not understand one, all get a closer one.
    """
    return (
        _have_types(columns.ids, int)
        and (_have_types(columns.images, int) or _have_types(columns.images, str))
        and _have_types(columns.categories, int)
        and _have_types(columns.crowds, int)
        and set(columns.crowds) <= {0, 1}
        and _have_types(columns.boxes, list)
        and set(map(len, columns.boxes)) <= {4}
        and columns.box_types <= {int, float}
        and bool((np.abs(_numbers(columns.boxes)) < FAR_PX).all())
    )


def _scores(annotations: Sequence[dict]) -> np.ndarray:
    """Return the scores of annotations, float64: NaN where there is none, -1 for what is no score.

    Only who selects by scores minds one that is none.
    """
    given = [annotation.get("score") for annotation in annotations]
    if not any(score is not None for score in given):
        return np.full(len(given), np.nan)
    scores = [np.nan if s is None else s if is_score(s) else -1 for s in given]
    return np.array(scores, dtype=np.float64)


def _have_types(values: Iterable, *types: type) -> bool:
    return set(map(type, values)) <= set(types)


def _is_image_in_form(image: dict) -> bool:
    """Return whether an image is as most files have it; a quick look at millions of them."""
    number, height, width, name = map(image.get, ("id", "height", "width", "file_name"))
    return (
        (type(number) is int or type(number) is str)
        and type(height) is int
        and 1 <= height <= MAX_SIDE_PX
        and type(width) is int
        and 1 <= width <= MAX_SIDE_PX
        and type(name) is str
        and name != ""
        and "\0" not in name
    )


def _places(images: Sequence[dict]) -> tuple[list[str], list[int], list[int]]:
    """Return where images are: the text, the kind of place, and the number in tar files."""
    names: list[Any] = [image.get("file_name") for image in images]
    if None not in names:
        return names, [FILE_NAME] * len(images), [0] * len(images)
    kinds = [_place_kind(image) for image in images]
    there: list[Any] = [
        image.get(PLACES.get(k), "") for k, image in zip(kinds, images, strict=True)
    ]
    texts = ["" if kind == TAR_INDEX else place for kind, place in zip(kinds, there, strict=True)]
    tars = [place if kind == TAR_INDEX else 0 for kind, place in zip(kinds, there, strict=True)]
    return texts, kinds, tars


def _place_kind(image: dict) -> int:
    there = (kind for kind, name in PLACES.items() if image.get(name) is not None)
    return next(there, NO_PLACE)


def _extras(image: dict) -> str:
    there = {name: image[name] for name in EXTRAS if name in image}
    return json.dumps(there) if there else ""


def _caption_kind(image: dict) -> int:
    if "captions" not in image:
        return NO_CAPTIONS
    captions = image["captions"]
    are_texts = isinstance(captions, list) and all(isinstance(text, str) for text in captions)
    return TEXTS if are_texts else OTHER_CAPTIONS


def _identifiers(ids: Sequence[int | str]) -> np.ndarray | list[str]:
    """Return ids as integers, or as the texts that they are."""
    if all(type(number) is str for number in ids):
        return list(map(str, ids))
    if any(type(number) is str for number in ids):
        raise NotInForm("ids are partly integers, partly texts")
    return _integers(ids)


def _integers(values: Iterable) -> np.ndarray:
    """Return integers as int64.

    Raises:
        ValueError: one is too large.
    """
    try:
        array = np.array(values, dtype=np.int64)
    except OverflowError as error:
        raise NotInForm(str(error)) from error
    if array.size and array.min() < -MAX_ID:
        raise NotInForm("an integer is too small")
    return array


def _are_ids(lists: Sequence[list]) -> bool:
    flat = list(chain.from_iterable(lists))
    return not flat or (set(map(type, flat)) == {int} and min(flat) >= 0 and max(flat) < MAX_ID)


def _texts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts as bytes, one after the other, and their lengths."""
    encoded = [text.encode() for text in texts]
    lengths = np.array(list(map(len, encoded)), dtype=np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), lengths


def _check_runs(masks: Sequence[dict]) -> None:
    """Raise if a run-length mask is damaged; most are found sound together."""
    compressed = [mask for mask in masks if type(mask.get("counts")) is str]
    doubtful = [mask for mask in masks if type(mask.get("counts")) is not str]
    for start in range(0, len(compressed), CHUNK):
        chunk = compressed[start : start + CHUNK]
        if not are_sound(chunk, [tuple(mask["size"]) for mask in chunk]):
            doubtful += chunk
    for mask in doubtful:
        problem = run_length_problem(mask, tuple(mask["size"]))
        if problem is not None and problem not in PROBLEMS_THAT_SHOW_NOTHING:
            raise NotInForm(problem)


def _order_of(ids: np.ndarray | list[str]) -> np.ndarray:
    if isinstance(ids, np.ndarray):
        return np.argsort(ids, kind="stable")
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)


def _expect_unique(ids: np.ndarray | list[str]) -> None:
    """Check that sorted ids are unique."""
    if isinstance(ids, np.ndarray):
        repeat = bool((np.diff(ids) == 0).any())
    else:
        repeat = len(set(ids)) < len(ids)
    if repeat:
        raise NotInForm("ids repeat")


def _positions(wanted: np.ndarray | list[str], ids: np.ndarray | list[str]) -> np.ndarray:
    """Return where ids are among sorted ones.

    Raises:
        ValueError: one is not among them.
    """
    if not len(wanted):
        return np.empty(0, dtype=np.int64)
    if isinstance(wanted, np.ndarray) and isinstance(ids, np.ndarray):
        return _ranks(wanted, ids)
    if isinstance(wanted, np.ndarray) or isinstance(ids, np.ndarray):
        raise NotInForm("annotations refer to other images")
    position = {text: index for index, text in enumerate(ids)}
    try:
        return np.array([position[text] for text in wanted], dtype=np.int64)
    except KeyError as error:
        raise NotInForm("annotations refer to other images") from error


def _ranks(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the places of values among sorted known ones.

    Raises:
        ValueError: one is not among them.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    ranks = np.searchsorted(known, values).clip(max=len(known) - 1)
    if not len(known) or not np.array_equal(known[ranks], values):
        raise NotInForm("records refer to others that are not there")
    return ranks


def _write_ragged(writer: ArrayWriter, name: str, values: np.ndarray, lengths: np.ndarray) -> None:
    writer.add(name, values)
    writer.add(f"{name}_ends", ends_of(lengths))
