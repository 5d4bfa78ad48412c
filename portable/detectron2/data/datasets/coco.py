"""The COCO format."""

import logging
import os
from collections.abc import Sequence

from pycocotools import mask as mask_util

from ..catalog import MetadataCatalog
from .annotation_file import (
    copy_fields,
    images_with_annotations,
    read_annotation_file,
    register_json_dataset,
    to_record,
)

logger = logging.getLogger(__name__)


def load_coco_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[dict]:
    """Returns the records of a COCO annotation file, by ascending image id.

    Args:
        json_file: path of the file.
        image_root: directory of its images.
        dataset_name: given, category ids become contiguous, and the metadata of that name
            `thing_classes` and `thing_dataset_id_to_contiguous_id` are set from the file.
        extra_annotation_keys: further fields of the annotations to copy.

    Returns:
        Dicts with `file_name`, `height`, `width`, `image_id` and `annotations`. An annotation
        whose polygons all have fewer than three points is left out.
    """
    content = read_annotation_file(json_file)
    contiguous_ids = None if dataset_name is None else _set_classes(dataset_name, content)
    keys = ["iscrowd", "bbox", "category_id", *(extra_annotation_keys or ())]
    records, num_dropped = [], 0
    for image, annotations in images_with_annotations(content):
        parsed = [_parse(a, keys, contiguous_ids, json_file) for a in annotations]
        usable = [annotation for annotation in parsed if annotation is not None]
        num_dropped += len(parsed) - len(usable)
        records.append(to_record(image, os.path.join(image_root, image["file_name"]), usable))
    if num_dropped:
        logger.warning("%s: left out %d annotations without valid polygons", json_file, num_dropped)
    logger.info("%s has %d images", json_file, len(records))
    return records


def _set_classes(dataset_name: str, content: dict) -> dict[int, int]:
    """Sets the class names of a dataset; returns category id -> contiguous id."""
    categories = sorted(content["categories"], key=lambda category: category["id"])
    contiguous_ids = {category["id"]: i for i, category in enumerate(categories)}
    MetadataCatalog.get(dataset_name).set(
        thing_classes=[category["name"] for category in categories],
        thing_dataset_id_to_contiguous_id=contiguous_ids,
    )
    return contiguous_ids


def _parse(
    annotation: dict, keys: Sequence[str], contiguous_ids: dict[int, int] | None, json_file: str
) -> dict | None:
    """Returns an annotation as the mapper takes it, None if it has no valid polygon."""
    parsed = copy_fields(annotation, keys, json_file)
    if segmentation := annotation.get("segmentation"):
        parsed["segmentation"] = _parse_segmentation(segmentation)
        if not parsed["segmentation"]:
            return None
    if contiguous_ids is not None:
        category_id = annotation["category_id"]
        if category_id not in contiguous_ids:
            raise ValueError(
                f"annotation {annotation['id']} in {json_file} has category_id {category_id}, "
                "which is not among the categories of the file"
            )
        parsed["category_id"] = contiguous_ids[category_id]
    return parsed


def _parse_segmentation(segmentation: dict | list) -> dict | list:
    """Returns compressed run-length encoding, or those polygons that have three points."""
    if not isinstance(segmentation, dict):
        return [p for p in segmentation if len(p) >= 6 and len(p) % 2 == 0]
    if isinstance(segmentation["counts"], list):
        return mask_util.frPyObjects(segmentation, *segmentation["size"])
    return segmentation


def register_coco_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Registers a dataset in COCO's format, evaluated as COCO is.

    Args:
        name: of the dataset.
        metadata: further metadata; may be {}.
        json_file: its annotation file, not opened before the dataset is used.
        image_root: directory of its images.
    """
    register_json_dataset(load_coco_json, "coco", name, metadata, json_file, image_root)
