"""Labels as the annotations of a dataset, in one file as COCO and LVIS have it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

from hotcoco import mask as rle

from detic.files import unfinished_text
from detic.labelling.labelled_images import Images
from detic.outputs.coco_results import LVIS_FIELDS, category_entry
from detic.outputs.json_lines import as_json
from detic.result_rows import BOX_DIGITS

Change = Callable[[dict], dict]  # of a row


def merge_coco(images: Images, path: Path) -> None:
    """Write one dataset file: images, annotations with scores, categories."""
    write_dataset(images, path)


def merge_lvis(images: Images, path: Path) -> None:
    """Write one dataset file in LVIS's form; no image was checked for the absence of a class."""
    write_dataset(images, path, lambda row: row | LVIS_FIELDS, _without_crowd)


def write_dataset(
    images: Images, path: Path, of_image: Change = dict, of_annotation: Change = dict
) -> None:
    """Write a dataset file; the images are gone through twice.

    Args:
        images: that were labelled.
        path: of the file.
        of_image: returns an image's row as it is to be written.
        of_annotation: returns an annotation as it is to be written.
    """
    category_ids = [category.id for category in images.job.categories]
    with unfinished_text(path) as file:
        file.write('{"images":[')
        _write_list(file, (of_image(_image_row(image)) for image in images))
        file.write('],"annotations":[')
        numbers = count(1)
        rows = (
            of_annotation({"id": next(numbers), **row, "iscrowd": 0})
            for image in images
            for row in annotation_rows(image, category_ids)
        )
        _write_list(file, rows)
        categories = [category_entry(category) for category in images.job.categories]
        file.write(f'],"categories":{as_json_list(categories)}}}\n')


def _without_crowd(row: dict) -> dict:
    del row["iscrowd"]
    return row


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
