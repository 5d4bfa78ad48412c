"""Loading annotation files in the style of COCO: open-vocabulary COCO, Objects365, OpenImages."""

import logging
import os
from functools import partial

from detectron2.data import MetadataCatalog

from detic.datasets.annotation_cache import read_annotation_table
from detic.datasets.annotation_table import FILE_NAME, HAS_NEGATIVE, AnnotationTable
from detic.datasets.class_lists import check_class_count
from detic.datasets.table_records import RecordStyle, TableRecords, warn_of_useless_masks
from detic.errors import InputError
from detic.vocabulary.names import composed

logger = logging.getLogger(__name__)


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
    return list(coco_style_table(json_file, image_root, dataset_name))


def coco_style_table(
    json_file: str, image_root: str, dataset_name: str | None = None
) -> TableRecords:
    """Return what ``load_coco_style_json`` does; each record is made when it is asked for."""
    table = read_annotation_table(json_file)
    _check_names(table, dataset_name)
    return coco_style_records(table, image_root)


def coco_style_records(table: AnnotationTable, image_root: str) -> TableRecords:
    """Return the records of an annotation file that was read; see ``load_coco_style_json``."""
    has_no_name = table["place_kinds"] != FILE_NAME
    if has_no_name.any():
        raise table.error(int(has_no_name.argmax()), "has no file_name")
    style = RecordStyle(
        partial(_describe, image_root=image_root), with_crowds=True, with_image_labels=False
    )
    records = TableRecords(table, style)
    warn_of_useless_masks(records)
    logger.info("%s has %d images", table.path, len(records))
    return records


def _check_names(table: AnnotationTable, dataset_name: str | None) -> None:
    """Check that the categories are those of the dataset, in its order."""
    check_class_count(table, dataset_name)
    names = None
    if dataset_name is not None:
        names = MetadataCatalog.get(dataset_name).get("thing_classes")
    for category, name in zip(table.categories, names or (), strict=False):
        if composed(category["name"]) != composed(name):
            raise InputError(
                f"{table.path}: category {category['id']} is called {category['name']!r}, "
                f"expected {name!r}; `detic data check {dataset_name}` tells how the "
                "file is made"
            )


def _describe(table: AnnotationTable, image: int, *, image_root: str) -> dict:
    """Return the record of an image without its annotations."""
    height, width = table["sizes_hw"][image].tolist()
    record = {
        "file_name": os.path.join(image_root, table.text("places", image)),
        "height": height,
        "width": width,
        "image_id": table.image_id(image),
    }
    if table.has_list(image, HAS_NEGATIVE):
        record["neg_category_ids"] = table.ragged("negative", image).tolist()
    return record
