"""What the annotation files of COCO and of LVIS have in common."""

import json
from collections import defaultdict

from detectron2.utils.file_io import PathManager


def read_annotation_file(json_file: str) -> dict:
    """Return the content of a COCO or LVIS file, whose annotations have different ids."""
    with PathManager.open(json_file) as file:
        content = json.load(file)
    annotations = content.setdefault("annotations", [])
    if len({a["id"] for a in annotations}) != len(annotations):
        raise ValueError(f"annotation ids in {json_file} are not unique; renumber them")
    return content


def images_with_annotations(content: dict) -> list[tuple[dict, list[dict]]]:
    """Return (image, its annotations) by ascending image id."""
    annotations_of = defaultdict(list)
    for annotation in content["annotations"]:
        annotations_of[annotation["image_id"]].append(annotation)
    images = sorted(content["images"], key=lambda image: image["id"])
    return [(image, annotations_of[image["id"]]) for image in images]


def image_record(image: dict, file_name: str) -> dict:
    """Return the record of an image, without annotations."""
    size = {"height": image["height"], "width": image["width"]}
    return {"file_name": file_name, **size, "image_id": image["id"]}
