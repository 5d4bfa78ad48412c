"""Results files of COCO and LVIS, with the list of images and categories they refer to.

``results.json`` is what evaluation servers take. ``results.images.json`` beside it is an annotation
file without annotations: ``COCO("results.images.json").loadRes("results.json")`` reads both.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detic.detections import Detections
from detic.files import unfinished_text
from detic.outputs.json_lines import json_list
from detic.outputs.writer import Category, ImageRecord, Write
from detic.result_rows import result_rows

# LVIS counts no more than this, the highest-scoring ones.
LVIS_DETECTIONS_PER_IMAGE = 300
# LVIS says for each image which classes were checked; here, none were.
LVIS_FIELDS: dict[str, list] = {"neg_category_ids": [], "not_exhaustive_category_ids": []}


@contextmanager
def write_coco_results(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that adds the detections of an image to a COCO results file."""
    with _results(path, categories, {}) as write:
        yield write


@contextmanager
def write_lvis_results(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that adds the detections of an image to an LVIS results file."""
    with _results(path, categories, LVIS_FIELDS) as write:
        yield lambda image, detections: write(image, detections[:LVIS_DETECTIONS_PER_IMAGE])


@contextmanager
def _results(path: Path, categories: Sequence[Category], image_fields: dict) -> Iterator[Write]:
    images = []
    category_ids = [category.id for category in categories]
    with json_list(path) as append:

        def write(image: ImageRecord, detections: Detections) -> None:
            height, width = detections.image_size_hw
            about = {"file_name": image.file_name, "width": width, "height": height}
            images.append({"id": image.image_id, **about, **image_fields})
            for row in result_rows(image.image_id, detections, category_ids, rounded=True):
                append(row)

        yield write
    _write_images(images_path(path), images, categories)


def images_path(path: Path) -> Path:
    """Return the path of the images that a results file refers to."""
    return path.with_name(f"{path.stem}.images.json")


def category_entry(category: Category) -> dict:
    """Return a class as COCO's and LVIS's files have it."""
    entry = {"id": category.id, "name": category.name}
    return entry if category.parent is None else entry | {"supercategory": category.parent}


def _write_images(path: Path, images: list[dict], categories: Sequence[Category]) -> None:
    document = {
        "images": images,
        "categories": [category_entry(category) for category in categories],
        "annotations": [],
    }
    with unfinished_text(path) as file:
        json.dump(document, file, ensure_ascii=False)
