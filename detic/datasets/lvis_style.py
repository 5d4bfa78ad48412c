"""Loading annotation files in the style of LVIS: boxes, image labels and captions.

Serves the LVIS variants and everything written after their model: ImageNet with LVIS classes,
captioned images, the embedded benchmark.
"""

import logging
import os
from urllib.parse import urlparse

from detectron2.structures import BoxMode

from detic.datasets.annotation_file import AnnotationFile, collector_paused, read_annotation_file
from detic.datasets.class_lists import check_class_count
from detic.datasets.segmentation import has_only_polygons
from detic.errors import InputError

logger = logging.getLogger(__name__)

NUM_LVIS_CLASSES = 1203
COCO_NAME_LENGTH = len("000000391895.jpg")


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
        ``segmentation`` if the file has it; crowds are left out.

    Raises:
        InputError: names the file and the record that is not as it should be.
    """
    content = read_annotation_file(json_file)
    _check_lvis_ids(content)
    check_class_count(content, dataset_name)
    return lvis_style_records(content, image_root)


def lvis_style_records(content: AnnotationFile, image_root: str) -> list[dict]:
    """Return the records of an annotation file that was read; see ``load_lvis_style_json``."""
    invalid = []
    records = []
    for image, annotations in content.images_with_annotations():
        record = _image_record(content, image, image_root)
        kept = [a for a in annotations if not a.get("iscrowd", 0)]
        record["annotations"] = [_parse_annotation(content, a) for a in kept]
        invalid += [a["id"] for a in kept if not has_only_polygons(a.get("segmentation", ()))]
        records.append(record)
    if invalid:
        logger.warning(
            "%s: %d annotations have polygons with fewer than three points, the first is "
            "annotation %s; they are kept",
            content.path,
            len(invalid),
            invalid[0],
        )
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


def _image_record(content: AnnotationFile, image: dict, image_root: str) -> dict:
    """Return the record of an image without its annotations."""
    record = _location(content, image, image_root)
    record["height"] = image["height"]
    record["width"] = image["width"]
    record["image_id"] = image["id"]
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


def _location(content: AnnotationFile, image: dict, image_root: str) -> dict:
    """Return where an image is: its ``file_name``, or its ``tar_index``."""
    if "file_name" in image:
        name = image["file_name"]
        # The released models were trained with names such as COCO_train2014_000000391895.jpg cut
        # to the part that COCO 2017 has, so the image root has to be the folder of the split.
        name = name[-COCO_NAME_LENGTH:] if name.startswith("COCO") else name
        return {"file_name": os.path.join(image_root, name)}
    if "coco_url" in image:
        return {"file_name": os.path.join(image_root, urlparse(image["coco_url"]).path.lstrip("/"))}
    if "tar_index" in image:
        return {"tar_index": image["tar_index"]}
    raise content.error("image", image, "has neither file_name nor coco_url nor tar_index")


def _check_captions(content: AnnotationFile, image: dict) -> list[str]:
    captions = image["captions"]
    if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
        raise content.error("image", image, f"'captions' is {captions!r}; expected texts")
    return captions


def _parse_annotation(content: AnnotationFile, annotation: dict) -> dict:
    parsed = {
        "bbox": annotation["bbox"],
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": content.class_index[annotation["category_id"]],
    }
    if "segmentation" in annotation:
        parsed["segmentation"] = _check_segmentation(content, annotation)
    return parsed


def _check_segmentation(content: AnnotationFile, annotation: dict) -> list | dict:
    segmentation = annotation["segmentation"]
    is_polygons = isinstance(segmentation, list) and all(isinstance(p, list) for p in segmentation)
    if not segmentation or not (is_polygons or isinstance(segmentation, dict)):
        problem = f"'segmentation' is {str(segmentation)[:40]}"
        raise content.error(
            "annotation", annotation, f"{problem}; expected polygons, a run-length mask or nothing"
        )
    return segmentation
