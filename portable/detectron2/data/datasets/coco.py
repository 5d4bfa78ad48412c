"""The COCO format: reading it, and writing other datasets in it."""

import json
import logging
import os
from collections.abc import Sequence
from functools import partial

from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager
from pycocotools import mask as mask_util

from ..catalog import DatasetCatalog, MetadataCatalog
from ._annotation_file import image_record, images_with_annotations, read_annotation_file

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


def convert_to_coco_dict(dataset_name: str) -> dict:
    """Return a registered dataset as the content of a COCO annotation file.

    Categories are numbered by the metadata's `thing_dataset_id_to_contiguous_id`, if it has one.
    """
    records = DatasetCatalog.get(dataset_name)  # which may set the metadata
    metadata = MetadataCatalog.get(dataset_name)
    contiguous_ids = metadata.get("thing_dataset_id_to_contiguous_id")
    ids = {i: i for i, _ in enumerate(metadata.thing_classes)}
    if contiguous_ids is not None:
        ids = {contiguous: category_id for category_id, contiguous in contiguous_ids.items()}
    images, annotations = [], []
    for number, record in enumerate(records):
        size = {"width": int(record["width"]), "height": int(record["height"])}
        image_id = record.get("image_id", number)
        images.append({"id": image_id, **size, "file_name": str(record["file_name"])})
        for annotation in record.get("annotations", []):
            entry = {"id": len(annotations) + 1, "image_id": image_id}
            annotations.append(entry | _to_coco(annotation, ids, size))
    return {
        "info": {"description": f"the dataset {dataset_name}, written by detectron2"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": ids[i], "name": str(name)} for i, name in enumerate(metadata.thing_classes)
        ],
    }


def _to_coco(annotation: dict, category_ids: dict[int, int], size: dict[str, int]) -> dict:
    """Return the part of a COCO annotation that an annotation of a record decides."""
    box_xywh = BoxMode.convert(list(annotation["bbox"]), annotation["bbox_mode"], BoxMode.XYWH_ABS)
    entry = {
        "bbox": [round(float(value), 3) for value in box_xywh],
        "area": float(box_xywh[2] * box_xywh[3]),
        "iscrowd": int(annotation.get("iscrowd", 0)),
        "category_id": int(category_ids[annotation["category_id"]]),
    }
    if "segmentation" in annotation:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, list):
            segmentation = [[float(value) for value in polygon] for polygon in segmentation]
            runs = mask_util.frPyObjects(segmentation, size["height"], size["width"])
            entry["area"] = float(mask_util.area(mask_util.merge(runs)))
        else:
            entry["area"] = float(mask_util.area(segmentation))
            counts = segmentation["counts"]
            counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
            segmentation = {**segmentation, "counts": counts}
        entry["segmentation"] = segmentation
    return entry


def convert_to_coco_json(dataset_name: str, output_file: str, allow_cached: bool = True) -> None:
    """Write a registered dataset as a COCO annotation file.

    Args:
        output_file: appears when it is complete.
        allow_cached: keep a file that is there.
    """
    if os.path.exists(output_file) and allow_cached:
        logger.warning("%s is used as it is; delete it if the dataset has changed", output_file)
        return
    PathManager.mkdirs(os.path.dirname(output_file) or ".")
    with PathManager.open(output_file + ".tmp", "w") as file:
        json.dump(convert_to_coco_dict(dataset_name), file)
    os.replace(output_file + ".tmp", output_file)


def register_coco_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Register a dataset in COCO's format, evaluated as COCO is; no file is opened yet."""
    DatasetCatalog.register(name, partial(load_coco_json, json_file, image_root, name))
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type="coco", **metadata
    )
