"""Loading annotation files in the style of LVIS: boxes, image labels and captions.

Serves the LVIS variants and everything written after their model: ImageNet with LVIS classes,
captioned images, the embedded benchmark.
"""

import logging
import os
import re
from functools import partial
from urllib.parse import urlparse

from detic.datasets.annotation_cache import read_annotation_table
from detic.datasets.annotation_table import (
    COCO_URL,
    HAS_POSITIVE,
    NO_PLACE,
    OTHER_CAPTIONS,
    TAR_INDEX,
    AnnotationTable,
)
from detic.datasets.class_lists import check_class_count
from detic.datasets.table_records import RecordStyle, TableRecords, warn_of_useless_masks
from detic.errors import InputError, shown

logger = logging.getLogger(__name__)

NUM_LVIS_CLASSES = 1203
COCO_2014_NAME = re.compile(r"COCO_(train|val|test)2014_(\d{12}\.jpg)")


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
    return list(lvis_style_table(json_file, image_root, dataset_name))


def lvis_style_table(
    json_file: str, image_root: str, dataset_name: str | None = None
) -> TableRecords:
    """Return what ``load_lvis_style_json`` does; each record is made when it is asked for."""
    table = read_annotation_table(json_file)
    _check_lvis_ids(table)
    check_class_count(table, dataset_name)
    return lvis_style_records(table, image_root, with_coco_2014_names=True)


def lvis_style_records(
    table: AnnotationTable, image_root: str, *, with_coco_2014_names: bool = False
) -> TableRecords:
    """Return the records of an annotation file that was read; see ``load_lvis_style_json``.

    Args:
        table: the file.
        image_root: folder that the file names are relative to.
        with_coco_2014_names: whether names such as COCO_train2014_000000391895.jpg mean the files of
            COCO 2017, as in the files of the benchmark.
    """
    _check_images(table)
    describe = partial(_describe, image_root=image_root, with_coco_2014_names=with_coco_2014_names)
    style = RecordStyle(describe, with_crowds=False, with_image_labels=True)
    records = TableRecords(table, style)
    warn_of_useless_masks(records)
    logger.info("%s has %d images", table.path, len(records))
    return records


def records_as_of_detectron2(json_file: str, image_root: str) -> TableRecords | None:
    """Return what detectron2's ``load_lvis_json`` does; each record is made when it is asked for.

    Unlike ours, its lists of verified absent classes have ids as in the file.

    Returns:
        None: the file is not one of the benchmark, and detectron2 may see in it something else.
    """
    table = read_annotation_table(json_file)
    has_ids_from_1 = list(table.class_index) == list(range(1, len(table.categories) + 1))
    is_elsewhere = table["place_kinds"] != COCO_URL
    if not has_ids_from_1 or is_elsewhere.any() or table["crowds"].any():
        return None
    describe = partial(_describe_as_detectron2, image_root=image_root)
    style = RecordStyle(describe, with_crowds=False, with_image_labels=False)
    return TableRecords(table, style)


def _describe_as_detectron2(table: AnnotationTable, image: int, *, image_root: str) -> dict:
    height, width = table["sizes_hw"][image].tolist()
    place = table.text("places", image).split("/")[-2:]  # the folder and the name
    return {
        "file_name": os.path.join(image_root, *place),
        "height": height,
        "width": width,
        "image_id": table.image_id(image),
        "neg_category_ids": (table.ragged("negative", image) + 1).tolist(),
        "not_exhaustive_category_ids": table.ragged("not_exhaustive", image).tolist(),
    }


def _check_lvis_ids(table: AnnotationTable) -> None:
    """Check that the 1203 classes of LVIS are numbered from 1 on, as their classifiers expect."""
    ids = list(table.class_index)
    if len(ids) == NUM_LVIS_CLASSES and ids != list(range(1, NUM_LVIS_CLASSES + 1)):
        raise InputError(
            f"{table.path} has the {NUM_LVIS_CLASSES} categories of LVIS v1, but their ids are "
            f"not 1 to {NUM_LVIS_CLASSES}; take the categories of the original LVIS file"
        )


def _check_images(table: AnnotationTable) -> None:
    """Check that it is known where all images are, and that captions are texts."""
    is_nowhere = table["place_kinds"] == NO_PLACE
    if is_nowhere.any():
        problem = "has neither file_name nor coco_url nor tar_index"
        raise table.error(int(is_nowhere.argmax()), problem)
    has_others = table["caption_kinds"] == OTHER_CAPTIONS
    if has_others.any():
        image = int(has_others.argmax())
        captions = table.extras(image)["captions"]
        raise table.error(image, f"'captions' is {shown(captions)}; expected texts")


def _describe(
    table: AnnotationTable, image: int, *, image_root: str, with_coco_2014_names: bool
) -> dict:
    """Return the record of an image without its annotations."""
    height, width = table["sizes_hw"][image].tolist()
    record = _location(table, image, image_root, with_coco_2014_names)
    record |= {"height": height, "width": width, "image_id": table.image_id(image)}
    record["not_exhaustive_category_ids"] = table.ragged("not_exhaustive", image).tolist()
    record["neg_category_ids"] = table.ragged("negative", image).tolist()
    if table.has_list(image, HAS_POSITIVE):
        record["pos_category_ids"] = table.ragged("positive", image).tolist()
    return record | table.extras(image)


def _location(
    table: AnnotationTable, image: int, image_root: str, with_coco_2014_names: bool
) -> dict:
    """Return where an image is: its ``file_name``, or its ``tar_index``."""
    kind = table["place_kinds"][image]
    if kind == TAR_INDEX:
        return {"tar_index": int(table["tar_indices"][image])}
    place = table.text("places", image)
    if kind == COCO_URL:
        return {"file_name": os.path.join(image_root, urlparse(place).path.lstrip("/"))}
    # The released models were trained with names such as COCO_train2014_000000391895.jpg cut
    # to the part that COCO 2017 has, so the image root has to be the folder of the split.
    coco_2014 = COCO_2014_NAME.fullmatch(place) if with_coco_2014_names else None
    return {"file_name": os.path.join(image_root, coco_2014[2] if coco_2014 else place)}
