"""Annotation files in the formats of COCO and LVIS: read, checked once, written as a whole."""

import gc
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from detic.errors import InputError

# Field: (accepted types, how a message calls them)
Fields = Mapping[str, tuple[tuple[type, ...], str]]
INTEGER = ((int,), "an integer")
IDENTIFIER = ((int, str), "an integer or a text")
# Section of a file: (what a message calls its records, their fields)
SECTIONS: dict[str, tuple[str, Fields]] = {
    "categories": ("category", {"id": INTEGER, "name": ((str,), "a text")}),
    "images": ("image", {"id": IDENTIFIER, "height": INTEGER, "width": INTEGER}),
    "annotations": (
        "annotation",
        {
            "id": INTEGER,
            "image_id": IDENTIFIER,
            "category_id": INTEGER,
            "bbox": ((list,), "[x, y, width, height]"),
        },
    ),
}


@dataclass(frozen=True)
class AnnotationFile:
    """The checked content of an annotation file.

    Ids are unique, and every annotation refers to an image and a category of the file.
    """

    path: str
    categories: list[dict]  # by rising id
    images: list[dict]  # by rising id
    annotations_of: Mapping[int | str, list[dict]]  # by image id, in the order of the file

    @cached_property
    def class_index(self) -> dict[int, int]:
        """The 0-based index of each category id."""
        return {category["id"]: index for index, category in enumerate(self.categories)}

    def class_indices(self, image: dict, ids: Sequence[int]) -> list[int]:
        """Return the 0-based indices of category ids that an image lists.

        Raises:
            InputError: one of them is no id of a category.
        """
        try:
            return [self.class_index[category_id] for category_id in ids]
        except (KeyError, TypeError) as error:
            raise self.error(
                "image", image, f"{ids!r} is not a list of ids of the file's categories"
            ) from error

    def images_with_annotations(self) -> Iterator[tuple[dict, list[dict]]]:
        """Yield each image with its annotations, by rising image id."""
        for image in self.images:
            yield image, self.annotations_of.get(image["id"], [])

    def error(self, section: str, record: dict, problem: str) -> InputError:
        """Return the error for a record, e.g. "x.json: image 7: ...".

        Args:
            section: image, category or annotation.
            record: the record, which has an id.
            problem: what is wrong with it and what was expected.
        """
        return InputError(f"{self.path}: {section} {record['id']}: {problem}")


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector while millions of objects are made, none of which is garbage.

    Reading a file of a million annotations takes half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_json(path: str | os.PathLike) -> dict | list:
    """Return the content of a json file.

    Raises:
        InputError: the file is missing, unreadable or no json.
    """
    try:
        with open(path, encoding="utf-8") as file, collector_paused():
            return json.load(file)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} not found; `detic data check` tells how to get or make the files of a dataset"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(
            f"{path} is not valid json ({error}); if a download or a tool was interrupted, delete "
            "the file and start it again"
        ) from error


def read_document(path: str | os.PathLike, sections: Sequence[str]) -> dict:
    """Return the raw content of an annotation file with these lists in it, unchecked inside.

    Raises:
        InputError: the file is missing, no json, or lacks one of the lists.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a json {type(content).__name__}; expected an object")
    for section in sections:
        if not isinstance(content.get(section), list):
            raise InputError(
                f"{path} has no list '{section}'; expected an annotation file with "
                f"{', '.join(sections)}"
            )
    return content


def read_checked_document(path: str | os.PathLike, sections: Sequence[str]) -> dict:
    """Return the raw content of an annotation file whose records were checked.

    Args:
        path: the file.
        sections: the lists that it must have: images, annotations, categories.

    Raises:
        InputError: names the file, and the first record that is not as it should be.
    """
    content = read_document(path, sections)
    for section, (kind, fields) in SECTIONS.items():
        if section in content:
            _check_section(path, kind, content[section], fields)
    for field, section in (("image_id", "images"), ("category_id", "categories")):
        if section in content:
            _check_references(path, content, field, section)
    return content


@collector_paused()
def read_annotation_file(path: str | os.PathLike) -> AnnotationFile:
    """Return the checked content of an annotation file; its annotations may be missing.

    Raises:
        InputError: names the file, and the first record that is not as it should be.
    """
    content = read_checked_document(path, ("images", "categories"))
    annotations_of = defaultdict(list)
    for annotation in content.get("annotations", ()):
        annotations_of[annotation["image_id"]].append(annotation)
    return AnnotationFile(
        path=str(path),
        categories=sorted(content["categories"], key=lambda category: category["id"]),
        images=sorted(content["images"], key=lambda image: image["id"]),
        annotations_of=dict(annotations_of),
    )


def _check_section(path, kind: str, records: list, fields: Fields) -> None:
    """Check that the records have these fields, and ids of one type that do not repeat."""
    if not isinstance(records, list):
        raise InputError(f"{path}: the {kind} records are no list")
    for position, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise InputError(f"{path}: {kind} number {position} is {record!r}, not an object")
        for field, (types, expected) in fields.items():
            if not isinstance(record.get(field), types):
                raise _field_error(path, kind, position, record, field, expected)
        if "bbox" in fields and not _is_box(record["bbox"]):
            raise _field_error(path, kind, position, record, "bbox", fields["bbox"][1])
    ids = [record["id"] for record in records]
    if len({type(number) for number in ids}) > 1:
        raise InputError(f"{path}: ids of {kind} records are partly integers, partly texts")
    if len(set(ids)) != len(ids):
        repeated, times = Counter(ids).most_common(1)[0]
        raise InputError(
            f"{path}: {times} {kind} records have the id {repeated!r}; ids must be unique"
        )


def _is_box(box: list) -> bool:
    return len(box) == 4 and all(isinstance(v, (int, float)) and math.isfinite(v) for v in box)


def _field_error(path, kind, position, record, field: str, expected: str) -> InputError:
    number = f" (id {record['id']!r})" if "id" in record else ""
    problem = f"'{field}' is {record[field]!r}" if field in record else f"'{field}' is missing"
    return InputError(f"{path}: {kind} number {position}{number}: {problem}; expected {expected}")


def _check_references(path, content: dict, field: str, section: str) -> None:
    """Check that a field of the annotations refers to records of a section."""
    known = {record["id"] for record in content[section]}
    for annotation in content.get("annotations", ()):
        if annotation[field] not in known:
            raise InputError(
                f"{path}: annotation {annotation['id']} has {field} {annotation[field]!r}, which "
                f"is not among the {len(known)} {section} of the file"
            )
