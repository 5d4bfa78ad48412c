"""Reading the JSON files of COCO and LVIS, which share most of their structure."""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager

from ..catalog import DatasetCatalog, MetadataCatalog

logger = logging.getLogger(__name__)


def read_annotation_file(json_file: str) -> dict:
    """Returns the content of a COCO or LVIS file.

    Raises:
        ValueError: it has no `images`, or two annotations with the same id.
    """
    start = time.perf_counter()
    with PathManager.open(json_file) as file:
        content = json.load(file)
    if not isinstance(content, dict) or "images" not in content:
        raise ValueError(f"{json_file} has no 'images', so it is no COCO or LVIS annotation file")
    annotations = content.setdefault("annotations", [])
    if len({a["id"] for a in annotations}) != len(annotations):
        raise ValueError(f"annotation ids in {json_file} are not unique; renumber them")
    logger.info("read %s in %.1f s", json_file, time.perf_counter() - start)
    return content


def images_with_annotations(content: dict) -> list[tuple[dict, list[dict]]]:
    """Returns (image, its annotations) by ascending image id."""
    annotations_of = defaultdict(list)
    for annotation in content["annotations"]:
        annotations_of[annotation["image_id"]].append(annotation)
    images = sorted(content["images"], key=lambda image: image["id"])
    return [(image, annotations_of[image["id"]]) for image in images]


def to_record(image: dict, file_name: str, annotations: list[dict]) -> dict:
    """Returns a record of a dataset."""
    return {
        "file_name": file_name,
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
        "annotations": annotations,
    }


def copy_fields(annotation: dict, keys: Sequence[str], json_file: str) -> dict:
    """Returns the given fields of an annotation, those it has, with the mode of its box.

    Raises:
        ValueError: the box does not consist of four numbers.
    """
    copied = {key: annotation[key] for key in keys if key in annotation}
    if len(annotation.get("bbox", ())) != 4:
        raise ValueError(
            f"annotation {annotation['id']} in {json_file} has bbox {annotation.get('bbox')!r}; "
            "expected [x, y, width, height]"
        )
    return copied | {"bbox_mode": BoxMode.XYWH_ABS}


def register_json_dataset(
    load: Callable[[str, str, str], list[dict]],
    evaluator_type: str,
    name: str,
    metadata: dict,
    json_file: str,
    image_root: str,
) -> None:
    """Registers a dataset that `load(json_file, image_root, name)` reads, and its metadata.

    The file is not opened before the dataset is asked for.
    """
    DatasetCatalog.register(name, partial(load, json_file, image_root, name))
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type=evaluator_type, **metadata
    )
