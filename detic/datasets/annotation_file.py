"""Annotation files in the formats of COCO and LVIS: read and checked once, for training and scoring.

What annotation tools write differently becomes the same (``annotation_fields``). Annotations without
ids are numbered, boxes that are missing are those of the masks.
"""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detic.datasets.annotation_fields import (
    ANNOTATION_FIELDS,
    CATEGORY_FIELDS,
    CROWD_FLAGS,
    IMAGE_FIELDS,
    is_box,
    read_fields,
    read_label_lists,
    read_location,
)
from detic.datasets.segmentation import (
    SizeHW,
    box_of_mask,
    check_masks,
    has_mask,
    mask_error,
)
from detic.documents import collector_paused, read_json
from detic.errors import InputError, in_short, shown

logger = logging.getLogger(__name__)

IF_MISSING = "`detic data check` tells how to get or make the files of a dataset"
# Section of a file: what a message calls its records
KINDS = {"categories": "category", "images": "image", "annotations": "annotation"}


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
        return InputError(f"{self.path}: {section} {in_short(str(record['id']))}: {problem}")


def read_document(path: str | os.PathLike, sections: Sequence[str]) -> dict:
    """Return the raw content of an annotation file with these lists in it, unchecked inside.

    Raises:
        InputError: the file is missing, no json, or lacks one of the lists.
    """
    content = read_json(path, if_missing=IF_MISSING)
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
    """Return the raw content of an annotation file whose records were checked, all but the masks.

    Args:
        path: the file.
        sections: the lists that it must have: images, annotations, categories.

    Raises:
        InputError: names the file, and the first record that is not as it should be.
    """
    content = read_document(path, sections)
    for section, kind in KINDS.items():
        _check_objects(path, kind, content.get(section, []))
    for position, category in enumerate(content.get("categories", []), start=1):
        read_fields(category, CATEGORY_FIELDS, _where(path, "category", position, category))
    known_categories = _unique_ids(path, content, "categories")
    for position, image in enumerate(content.get("images", []), start=1):
        where = _where(path, "image", position, image)
        read_fields(image, IMAGE_FIELDS, where)
        read_location(image, where)
        read_label_lists(image, known_categories, f"{path}: image {in_short(str(image['id']))}")
    known_images = _unique_ids(path, content, "images")
    annotations = content.get("annotations", [])
    sizes_hw = {
        image["id"]: (image["height"], image["width"]) for image in content.get("images", [])
    }
    _read_annotations(path, annotations, sizes_hw)
    _check_references(path, annotations, "image_id", "images", known_images)
    _check_references(path, annotations, "category_id", "categories", known_categories)
    return content


@collector_paused()
def read_annotation_file(
    path: str | os.PathLike, *, with_masks_checked: bool = True
) -> AnnotationFile:
    """Return the checked content of an annotation file; its annotations may be missing.

    Args:
        path: the file.
        with_masks_checked: whether to refuse masks that nobody can use.

    Raises:
        InputError: names the file, and the first record that is not as it should be.
    """
    content = read_checked_document(path, ("images", "categories"))
    annotations_of = defaultdict(list)
    for annotation in content.get("annotations", ()):
        annotations_of[annotation["image_id"]].append(annotation)
    file = AnnotationFile(
        path=str(path),
        categories=sorted(content["categories"], key=lambda category: category["id"]),
        images=sorted(content["images"], key=lambda image: image["id"]),
        annotations_of=dict(annotations_of),
    )
    if with_masks_checked:
        check_masks(file.images_with_annotations(), file.path)
    return file


def log_missing_ids(path: str | os.PathLike) -> None:
    """Log that the annotations of a file are numbered."""
    logger.info("%s: not all annotations have an id; they are numbered", path)


def _check_objects(path, kind: str, records: Any) -> None:
    """Check that the records of a section are objects."""
    if not isinstance(records, list):
        raise InputError(f"{path}: the {kind} records are no list")
    for position, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise InputError(f"{path}: {kind} number {position} is {shown(record)}, not an object")


def _where(path, kind: str, position: int, record: dict) -> str:
    number = f" (id {shown(record['id'])})" if "id" in record else ""
    return f"{path}: {kind} number {position}{number}"


def _read_annotations(path, annotations: list[dict], sizes_hw: Mapping[Any, SizeHW]) -> None:
    """Give annotations the form used everywhere; number them unless all have ids.

    Args:
        path: the file.
        annotations: changed in place.
        sizes_hw: of the images by id, where boxes have to come from masks.
    """
    for position, annotation in enumerate(annotations, start=1):
        if _is_in_form(annotation):
            continue
        where = _where(path, "annotation", position, annotation)
        if "bbox" not in annotation and has_mask(annotation.get("segmentation")):
            _add_box(annotation, sizes_hw, where)
        read_fields(annotation, ANNOTATION_FIELDS, where)
    if not all("id" in annotation for annotation in annotations):
        log_missing_ids(path)
        for position, annotation in enumerate(annotations, start=1):
            annotation["id"] = position
    _unique_ids(path, {"annotations": annotations}, "annotations")


def _is_in_form(annotation: dict) -> bool:
    """Return whether an annotation is as most files have it; a quick look at millions of them."""
    number, image, category = map(annotation.get, ("id", "image_id", "category_id"))
    return (
        type(number) is int
        and (type(image) is int or type(image) is str)
        and type(category) is int
        and type(annotation.get("iscrowd", 0)) is int
        and annotation.get("iscrowd", 0) in CROWD_FLAGS
        and is_box(annotation.get("bbox"))
    )


def _add_box(annotation: dict, sizes_hw: Mapping[Any, SizeHW], where: str) -> None:
    """Give an annotation the box of its mask."""
    read_fields(annotation, {"image_id": ANNOTATION_FIELDS["image_id"]}, where)
    size_hw = sizes_hw.get(annotation["image_id"])
    if size_hw is None:
        return  # told as a missing box or image
    if problem := mask_error(annotation["segmentation"], size_hw):
        raise InputError(f"{where}: {problem}")
    box = box_of_mask(annotation["segmentation"])
    if box is not None:
        annotation["bbox"] = box


def _unique_ids(path, content: dict, section: str) -> set | None:
    """Return the ids of a section, None if it is not in the file; check that they are unique."""
    if section not in content:
        return None
    kind, ids = KINDS[section], [record["id"] for record in content[section]]
    if section == "images" and len({type(number) for number in ids}) > 1:
        raise InputError(f"{path}: ids of {kind} records are partly integers, partly texts")
    known = set(ids)
    if len(known) != len(ids):
        repeated, times = Counter(ids).most_common(1)[0]
        raise InputError(
            f"{path}: {times} {kind} records have the id {shown(repeated)}; ids must be unique"
        )
    return known


def _check_references(path, annotations: list[dict], field: str, section: str, known) -> None:
    """Check that a field of the annotations refers to records of a section."""
    for annotation in annotations if known is not None else ():
        if annotation[field] not in known:
            raise InputError(
                f"{path}: annotation {in_short(str(annotation['id']))} has {field} {shown(annotation[field])}, "
                f"which is not among the {len(known)} {section} of the file"
            )
