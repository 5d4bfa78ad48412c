"""The LVIS format.

Source: Gupta et al., LVIS, arXiv 1908.03195.
"""

import logging
import os
from collections.abc import Sequence

from ..catalog import MetadataCatalog
from .annotation_file import (
    copy_fields,
    images_with_annotations,
    read_annotation_file,
    register_json_dataset,
    to_record,
)
from .builtin_meta import lvis_v1_metadata

logger = logging.getLogger(__name__)


def load_lvis_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[dict]:
    """Returns the records of an LVIS annotation file, by ascending image id.

    Args:
        json_file: path of the file.
        image_root: directory that holds train2017 and val2017.
        dataset_name: given, its metadata gets the classes of LVIS, unless it has its own.
        extra_annotation_keys: further fields of the annotations to copy.

    Returns:
        Dicts with `file_name`, `height`, `width`, `image_id`, `annotations`,
        `neg_category_ids` and `not_exhaustive_category_ids`. The category ids of annotations are
        0-based, those of the two lists are as in the file, 1-based.
    """
    if dataset_name is not None and MetadataCatalog.get(dataset_name).get("thing_classes") is None:
        MetadataCatalog.get(dataset_name).set(**get_lvis_instances_meta(dataset_name))
    keys = ["bbox", *(extra_annotation_keys or ())]
    records = []
    for image, annotations in images_with_annotations(read_annotation_file(json_file)):
        parsed = [_parse(a, keys, json_file) for a in annotations]
        record = to_record(image, _image_path(image, image_root), parsed)
        record["neg_category_ids"] = image.get("neg_category_ids", [])
        record["not_exhaustive_category_ids"] = image.get("not_exhaustive_category_ids", [])
        records.append(record)
    logger.info("%s has %d images", json_file, len(records))
    return records


def _image_path(image: dict, image_root: str) -> str:
    """Returns where an image is; ".../train2017/000000391895.jpg" tells the folder and the name."""
    return os.path.join(image_root, *image["coco_url"].split("/")[-2:])


def _parse(annotation: dict, keys: Sequence[str], json_file: str) -> dict:
    parsed = copy_fields(annotation, keys, json_file)
    parsed["category_id"] = annotation["category_id"] - 1
    polygons = annotation.get("segmentation")
    if not polygons or any(len(p) < 6 or len(p) % 2 for p in polygons):
        raise ValueError(
            f"annotation {annotation['id']} in {json_file} has a polygon with fewer than three "
            "points or no polygon; LVIS has no such annotations, so the file is damaged"
        )
    parsed["segmentation"] = polygons
    return parsed


def get_lvis_instances_meta(dataset_name: str) -> dict:
    """Returns `thing_classes` and `class_image_count` of a version of LVIS.

    Args:
        dataset_name: starts with the version, "lvis_v1".

    Raises:
        ValueError: another version.
    """
    if dataset_name.startswith("lvis_v1"):
        return lvis_v1_metadata()
    raise ValueError(
        f"no classes are known for dataset {dataset_name!r}; names of LVIS datasets start with "
        "'lvis_v1', others have to be registered with metadata that has thing_classes"
    )


def register_lvis_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Registers a dataset in LVIS's format, evaluated as LVIS is.

    Args:
        name: of the dataset.
        metadata: further metadata; may be {} if the name starts with "lvis_v1".
        json_file: its annotation file, not opened before the dataset is used.
        image_root: directory that holds train2017 and val2017.
    """
    register_json_dataset(load_lvis_json, "lvis", name, metadata, json_file, image_root)
