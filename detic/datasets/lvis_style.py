"""Loading annotation files in the style of LVIS: boxes, image labels and captions.

Serves the LVIS variants and everything written after their model: ImageNet with LVIS classes,
captioned images, the embedded benchmark.
"""

import logging
import os
import re
from functools import partial
from urllib.parse import urlparse

from detectron2.structures import BoxMode

from detic.datasets.annotation_file import AnnotationFile, read_annotation_file
from detic.datasets.class_lists import check_class_count
from detic.datasets.segmentation import usable_masks, warn_of_useless
from detic.documents import collector_paused
from detic.errors import InputError, shown

logger = logging.getLogger(__name__)

NUM_LVIS_CLASSES = 1203
COCO_2014_NAME = re.compile(r"COCO_(train|val|test)2014_(\d{12}\.jpg)")


@collector_paused()
def load_lvis_style_json(
    json_file: str, image_root: str, dataset_name: str | None = None
) -> list[dict]:
    """Return the records of an annotation file, by rising image id.

    Args:
        json_file: path of the file.
        image_root: folder that the file names are relative to.
        dataset_name: a registered name; the file must have as many categories as it has classes.

    Returns:
        Dicts with ``height``, ``width``, ``image_id``, ``annotations`` and where the image is:
        ``file_name``, or ``tar_index``. ``neg_category_ids`` and, if the file has them,
        ``pos_category_ids`` are 0-based class indices. ``not_exhaustive_category_ids`` are ids as
        in the file. ``captions`` and ``caption_features`` are there if the file has them.
        Annotations have ``bbox`` (XYWH, pixels), ``bbox_mode``, ``category_id`` (0-based) and
        ``segmentation`` if the file has it: polygons of three points or more, or a compressed
        run-length mask. Crowds are left out.

    Raises:
        InputError: names the file and the record that is not as it should be.
    """
    content = read_annotation_file(json_file)
    _check_lvis_ids(content)
    check_class_count(content, dataset_name)
    return lvis_style_records(content, image_root, with_coco_2014_names=True)


def lvis_style_records(
    content: AnnotationFile, image_root: str, *, with_coco_2014_names: bool = False
) -> list[dict]:
    """Return the records of an annotation file that was read; see ``load_lvis_style_json``.

    Args:
        content: the file.
        image_root: folder that the file names are relative to.
        with_coco_2014_names: whether names such as COCO_train2014_000000391895.jpg mean the files of
            COCO 2017, as in the files of the benchmark.
    """
    records, num_useless = [], 0
    for image, annotations in content.images_with_annotations():
        record = _location(content, image, image_root, with_coco_2014_names)
        record |= _image_fields(content, image)
        kept = [a for a in annotations if not a.get("iscrowd", 0)]
        masks, useless = usable_masks(kept)
        record["annotations"] = list(map(partial(_parse_annotation, content), kept, masks))
        num_useless += useless
        records.append(record)
    warn_of_useless(content.path, num_useless)
    logger.info("%s has %d images", content.path, len(records))
    return records


def _check_lvis_ids(content: AnnotationFile) -> None:
    """Check that the 1203 classes of LVIS are numbered from 1 on, as their classifiers expect."""
    ids = list(content.class_index)
    if len(ids) == NUM_LVIS_CLASSES and ids != list(range(1, NUM_LVIS_CLASSES + 1)):
        raise InputError(
            f"{content.path} has the {NUM_LVIS_CLASSES} categories of LVIS v1, but their ids are "
            f"not 1 to {NUM_LVIS_CLASSES}; take the categories of the original LVIS file"
        )


def _image_fields(content: AnnotationFile, image: dict) -> dict:
    """Return the record of an image without its place and its annotations."""
    record = {"height": image["height"], "width": image["width"], "image_id": image["id"]}
    record["not_exhaustive_category_ids"] = image.get("not_exhaustive_category_ids", [])
    negative = image.get("neg_category_ids", [])
    record["neg_category_ids"] = content.class_indices(image, negative)
    if "pos_category_ids" in image:
        record["pos_category_ids"] = content.class_indices(image, image["pos_category_ids"])
    if "captions" in image:
        record["captions"] = _check_captions(content, image)
    if "caption_features" in image:
        record["caption_features"] = image["caption_features"]
    return record


def _location(
    content: AnnotationFile, image: dict, image_root: str, with_coco_2014_names: bool
) -> dict:
    """Return where an image is: its ``file_name``, or its ``tar_index``."""
    if "file_name" in image:
        name = image["file_name"]
        # The released models were trained with names such as COCO_train2014_000000391895.jpg cut
        # to the part that COCO 2017 has, so the image root has to be the folder of the split.
        coco_2014 = COCO_2014_NAME.fullmatch(name) if with_coco_2014_names else None
        return {"file_name": os.path.join(image_root, coco_2014[2] if coco_2014 else name)}
    if "coco_url" in image:
        return {"file_name": os.path.join(image_root, urlparse(image["coco_url"]).path.lstrip("/"))}
    if "tar_index" in image:
        return {"tar_index": image["tar_index"]}
    raise content.error("image", image, "has neither file_name nor coco_url nor tar_index")


def _check_captions(content: AnnotationFile, image: dict) -> list[str]:
    captions = image["captions"]
    if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
        raise content.error("image", image, f"'captions' is {shown(captions)}; expected texts")
    return captions


def _parse_annotation(content: AnnotationFile, annotation: dict, mask: list | dict | None) -> dict:
    """Return an annotation as the mapper takes it."""
    parsed = {
        "bbox": annotation["bbox"],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": content.class_index[annotation["category_id"]],
    }
    return parsed if mask is None else parsed | {"segmentation": mask}
