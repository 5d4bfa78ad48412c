"""The LVIS format.

Source: Gupta et al., LVIS, arXiv 1908.03195.
"""

import logging
import os
from collections.abc import Sequence
from functools import partial

from detectron2.structures import BoxMode

from ..catalog import DatasetCatalog, MetadataCatalog
from ._annotation_file import image_record, images_with_annotations, read_annotation_file
from .builtin_meta import _get_builtin_metadata

logger = logging.getLogger(__name__)


def load_lvis_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    extra_annotation_keys: Sequence[str] | None = None,
) -> list[dict]:
    """Return the records of an LVIS annotation file, by ascending image id.

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
    keys = ["bbox", "segmentation", *(extra_annotation_keys or ())]
    records = []
    for image, annotations in images_with_annotations(read_annotation_file(json_file)):
        # ".../train2017/000000391895.jpg" tells the folder and the name.
        path = os.path.join(image_root, *image["coco_url"].split("/")[-2:])
        record = image_record(image, path)
        record["annotations"] = [_parse(a, keys) for a in annotations]
        record["neg_category_ids"] = image.get("neg_category_ids", [])
        record["not_exhaustive_category_ids"] = image.get("not_exhaustive_category_ids", [])
        records.append(record)
    logger.info("%s has %d images", json_file, len(records))
    return records


def _parse(annotation: dict, keys: Sequence[str]) -> dict:
    """Return an annotation as the mapper takes it."""
    parsed = {key: annotation[key] for key in keys if key in annotation}
    return parsed | {
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": annotation["category_id"] - 1,
    }


def get_lvis_instances_meta(dataset_name: str) -> dict:
    """Return `thing_classes` and `class_image_count` of a dataset called "lvis_v1..."."""
    if dataset_name.startswith("lvis_v1"):
        return _get_builtin_metadata("lvis_v1")
    raise ValueError(
        f"no classes are known for dataset {dataset_name!r}; names of LVIS datasets start with "
        "'lvis_v1', others have to be registered with metadata that has thing_classes"
    )


def register_lvis_instances(name: str, metadata: dict, json_file: str, image_root: str) -> None:
    """Register a dataset in LVIS's format, evaluated as LVIS is.

    Args:
        metadata: further metadata; may be {} if the name starts with "lvis_v1".
        json_file: not opened before the dataset is used.
        image_root: directory that holds train2017 and val2017.
    """
    DatasetCatalog.register(name, partial(load_lvis_json, json_file, image_root, name))
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type="lvis", **metadata
    )
