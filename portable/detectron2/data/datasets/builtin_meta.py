"""Class lists of COCO and LVIS v1, kept in categories.json."""

import json
from functools import cache
from pathlib import Path


def _get_builtin_metadata(dataset_name: str) -> dict:
    """Return the metadata of "coco" or "lvis_v1"."""
    known = {"coco": _coco_metadata, "lvis_v1": _lvis_v1_metadata}
    if dataset_name not in known:
        raise KeyError(f"no metadata is known of {dataset_name!r}; choose {', '.join(known)}")
    return known[dataset_name]()


def _coco_metadata() -> dict:
    """Return `thing_classes` and `thing_dataset_id_to_contiguous_id` of the 80 COCO classes."""
    categories = _read_categories()["coco"]
    return {
        "thing_dataset_id_to_contiguous_id": {
            category_id: i for i, (category_id, _) in enumerate(categories)
        },
        "thing_classes": [name for _, name in categories],
    }


def _lvis_v1_metadata() -> dict:
    """Return `thing_classes` and `class_image_count` of the 1203 LVIS v1 classes.

    A class is called by its first synonym. The counts are the numbers of training images with
    the class, as a list of {"id": 1-based, "image_count": ...}.
    """
    categories = _read_categories()["lvis_v1"]
    return {
        "thing_classes": [name for name, _ in categories],
        "class_image_count": [
            {"id": i, "image_count": count} for i, (_, count) in enumerate(categories, start=1)
        ],
    }


@cache
def _read_categories() -> dict[str, list]:
    return json.loads(Path(__file__).with_name("categories.json").read_text(encoding="utf-8"))
