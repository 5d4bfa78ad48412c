"""The COCO format."""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager
from pycocotools import mask as mask_util

from ..catalog import DatasetCatalog, MetadataCatalog

logger = logging.getLogger(__name__)


def load_coco_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[dict]:
    """Return the records of a COCO annotation file, by ascending image id.

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
    records = []
    for image, annotations in images_with_annotations(content):
        record = image_record(image, os.path.join(image_root, image["file_name"]))
        parsed = [_parse(a, keys, contiguous_ids) for a in annotations]
        record["annotations"] = [a for a in parsed if a.get("segmentation") != []]
        records.append(record)
    logger.info("%s has %d images", json_file, len(records))
    return records


def read_annotation_file(json_file: str) -> dict:
    """Return the content of a COCO or LVIS file, whose annotations have different ids."""
    with PathManager.open(json_file) as file:
        content = json.load(file)
    annotations = content.setdefault("annotations", [])
    if len({a["id"] for a in annotations}) != len(annotations):
        raise ValueError(f"annotation ids in {json_file} are not unique; renumber them")
    return content


def images_with_annotations(content: dict) -> list[tuple[dict, list[dict]]]:
    """Return (image, its annotations) by ascending image id."""
    annotations_of = defaultdict(list)
    for annotation in content["annotations"]:
        annotations_of[annotation["image_id"]].append(annotation)
    images = sorted(content["images"], key=lambda image: image["id"])
    return [(image, annotations_of[image["id"]]) for image in images]


def image_record(image: dict, file_name: str) -> dict:
    """Return the record of an image, without annotations."""
    size = {"height": image["height"], "width": image["width"]}
    return {"file_name": file_name, **size, "image_id": image["id"]}


def _set_classes(dataset_name: str, content: dict) -> dict[int, int]:
    """Set the class names of a dataset and return category id -> contiguous id."""
    categories = sorted(content["categories"], key=lambda category: category["id"])
    contiguous_ids = {category["id"]: i for i, category in enumerate(categories)}
    MetadataCatalog.get(dataset_name).set(
        thing_classes=[category["name"] for category in categories],
        thing_dataset_id_to_contiguous_id=contiguous_ids,
    )
    return contiguous_ids


def _parse(annotation: dict, keys: Sequence[str], contiguous_ids: dict[int, int] | None) -> dict:
    """Return an annotation as the mapper takes it."""
    parsed = {key: annotation[key] for key in keys if key in annotation}
    parsed["bbox_mode"] = BoxMode.XYWH_ABS
    if segmentation := annotation.get("segmentation"):
        parsed["segmentation"] = _parse_segmentation(segmentation)
    if contiguous_ids is not None:
        parsed["category_id"] = contiguous_ids[annotation["category_id"]]
    return parsed


def _parse_segmentation(segmentation: dict | list) -> dict | list:
    """Return compressed run-length encoding, or those polygons that have three points."""
    if not isinstance(segmentation, dict):
        return [p for p in segmentation if len(p) >= 6 and len(p) % 2 == 0]
    if isinstance(segmentation["counts"], list):
        return mask_util.frPyObjects(segmentation, *segmentation["size"])
    return segmentation


def register_coco_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Register a dataset in COCO's format, evaluated as COCO is; no file is opened yet."""
    DatasetCatalog.register(name, partial(load_coco_json, json_file, image_root, name))
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type="coco", **metadata
    )
