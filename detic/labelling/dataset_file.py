"""Labels as the annotations of a dataset, in one file as COCO and LVIS have it."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

from hotcoco import mask as rle

from detic.files import unfinished_text
from detic.labelling.labelled_images import LabelledImages
from detic.outputs.coco_results import LVIS_FIELDS, category_entry
from detic.outputs.json_lines import as_json
from detic.result_rows import BOX_DIGITS


def merge_coco(images: LabelledImages, path: Path) -> None:
    """Write one dataset file: images, annotations with scores, categories."""
    _merge_dataset(images, path, {}, {"iscrowd": 0})


def merge_lvis(images: LabelledImages, path: Path) -> None:
    """Write one dataset file in LVIS's form; no image was checked for the absence of a class."""
    _merge_dataset(images, path, LVIS_FIELDS, {})


def _merge_dataset(
    images: LabelledImages, path: Path, of_image: dict[str, Any], of_annotation: dict[str, Any]
) -> None:
    """Write a dataset file; the parts are read twice, for images and for annotations."""
    category_ids = [category.id for category in images.job.categories]
    with unfinished_text(path) as file:
        file.write('{"images":[')
        _write_list(file, (_image_row(image) | of_image for image in images))
        file.write('],"annotations":[')
        numbers = count(1)
        rows = (
            {"id": next(numbers), **row, **of_annotation}
            for image in images
            for row in annotation_rows(image, category_ids)
        )
        _write_list(file, rows)
        categories = [category_entry(category) for category in images.job.categories]
        file.write(f'],"categories":{as_json_list(categories)}}}\n')


def _write_list(file: IO[str], entries: Iterator[dict]) -> None:
    separator = "\n"
    for entry in entries:
        file.write(separator + as_json(entry))
        separator = ",\n"


def as_json_list(entries: Sequence[dict]) -> str:
    """Return objects as a JSON list."""
    return f"[{','.join(map(as_json, entries))}]"


def _image_row(image: dict) -> dict[str, Any]:
    names = ("file_name", "width", "height")
    return {"id": image["image_id"], **{name: image[name] for name in names}}


def annotation_rows(image: dict, category_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an image as COCO's annotations, without ids.

    Args:
        image: an entry of a part.
        category_ids: of the labels.
    """
    for found in image["detections"]:
        left, top, right, bottom = found["box_xyxy"]
        width, height = round(right - left, BOX_DIGITS), round(bottom - top, BOX_DIGITS)
        mask = found.get("mask")
        row = {
            "image_id": image["image_id"],
            "category_id": category_ids[found["label"]],
            "bbox": [left, top, width, height],
            "area": round(width * height, BOX_DIGITS) if mask is None else int(rle.area(mask)),
            "score": found["score"],
        }
        yield row if mask is None else row | {"segmentation": mask}
