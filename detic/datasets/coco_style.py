"""Loading annotation files in the style of COCO: open-vocabulary COCO, Objects365, OpenImages."""

import logging
import os
from functools import partial

from detectron2.data import MetadataCatalog
from detectron2.structures import BoxMode

from detic.datasets.annotation_file import AnnotationFile, read_annotation_file
from detic.datasets.class_lists import check_class_count
from detic.datasets.segmentation import usable_masks, warn_of_useless
from detic.documents import collector_paused
from detic.errors import InputError
from detic.vocabulary.names import composed

logger = logging.getLogger(__name__)


@collector_paused()
def load_coco_style_json(
    json_file: str, image_root: str, dataset_name: str | None = None
) -> list[dict]:
    """Return the records of an annotation file, by rising image id.

    Args:
        json_file: path of the file.
        image_root: folder that the file names are relative to.
        dataset_name: a registered name; the file must have the same classes.

    Returns:
        Dicts with ``file_name``, ``height``, ``width``, ``image_id`` and ``annotations``, and if
        the file has them ``neg_category_ids`` as 0-based class indices. Annotations have ``bbox``
        (XYWH, pixels), ``bbox_mode``, ``category_id`` (0-based), ``iscrowd`` and, if the file has
        masks, ``segmentation``: polygons of three points or more, or a compressed run-length mask.

    Raises:
        InputError: names the file and the record that is not as it should be.
    """
    content = read_annotation_file(json_file)
    _check_names(content, dataset_name)
    return coco_style_records(content, image_root)


def coco_style_records(content: AnnotationFile, image_root: str) -> list[dict]:
    """Return the records of an annotation file that was read; see ``load_coco_style_json``."""
    records, num_useless = [], 0
    for image, annotations in content.images_with_annotations():
        record = _image_record(content, image, image_root)
        masks, useless = usable_masks(annotations)
        record["annotations"] = list(map(partial(_parse_annotation, content), annotations, masks))
        num_useless += useless
        records.append(record)
    warn_of_useless(content.path, num_useless)
    logger.info("%s has %d images", content.path, len(records))
    return records


def _check_names(content: AnnotationFile, dataset_name: str | None) -> None:
    """Check that the categories are those of the dataset, in its order."""
    check_class_count(content, dataset_name)
    names = None
    if dataset_name is not None:
        names = MetadataCatalog.get(dataset_name).get("thing_classes")
    for category, name in zip(content.categories, names or (), strict=False):
        if composed(category["name"]) != composed(name):
            raise InputError(
                f"{content.path}: category {category['id']} is called {category['name']!r}, "
                f"expected {name!r}; `detic data check {dataset_name}` tells how the "
                "file is made"
            )


def _image_record(content: AnnotationFile, image: dict, image_root: str) -> dict:
    """Return the record of an image without its annotations."""
    if "file_name" not in image:
        raise content.error("image", image, "has no file_name")
    record = {
        "file_name": os.path.join(image_root, image["file_name"]),
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
    }
    if "neg_category_ids" in image:
        record["neg_category_ids"] = content.class_indices(image, image["neg_category_ids"])
    return record


def _parse_annotation(content: AnnotationFile, annotation: dict, mask: list | dict | None) -> dict:
    """Return an annotation as the mapper takes it."""
    parsed = {
        "iscrowd": annotation.get("iscrowd", 0),
        "bbox": annotation["bbox"],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": content.class_index[annotation["category_id"]],
    }
    return parsed if mask is None else parsed | {"segmentation": mask}
