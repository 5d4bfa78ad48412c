"""Folders with labels in COCO's format, as CVAT and FiftyOne read them."""

from pathlib import Path

from detic.files import make_folder, unfinished_folder, write_json
from detic.labelling.dataset_file import Change, write_dataset
from detic.labelling.labelled_images import Images
from detic.outputs import Category
from detic.review.image_names import ImagePlaces, NamesBelow, copied_name, copy_images
from detic.review.polygons import mask_polygons


def write_cvat(images: Images, path: Path, places: ImagePlaces) -> None:
    """Write a folder for CVAT: annotations with polygons, the labels of a task, maybe images.

    CVAT edits polygons; run lengths it reads of crowds alone. It names images relative to the task.
    """
    with unfinished_folder(path) as folder:
        make_folder(folder / "annotations")
        write_json(folder / "labels.json", [_task_label(c) for c in images.job.categories])
        file = folder / "annotations" / "instances_default.json"
        write_dataset(images, file, _namer(images, places), _with_polygons)
        if places.copies:
            copy_images(images, folder / "images" / "default")


def write_fiftyone(images: Images, path: Path, places: ImagePlaces) -> None:
    """Write a folder for FiftyOne's ``COCODetectionDataset``: labels with run lengths, maybe images."""
    with unfinished_folder(path) as folder:
        write_dataset(images, folder / "labels.json", _namer(images, places))
        if places.copies:
            copy_images(images, folder / "data")


def _namer(images: Images, places: ImagePlaces) -> Change:
    """Return the function that gives an image's row the name that review tools know."""
    if places.copies:
        return lambda row: row | {"file_name": copied_name(row["id"], row["file_name"])}
    name_of = NamesBelow(images.job, places.root(images.job))
    return lambda row: row | {"file_name": name_of(row["file_name"])}


def _with_polygons(row: dict) -> dict:
    """Return an annotation whose mask, if it has one, is polygons."""
    if "segmentation" not in row:
        return row
    polygons = [points.ravel().tolist() for points in mask_polygons(row["segmentation"])]
    return row | {"segmentation": polygons}


def _task_label(category: Category) -> dict:
    """Return a class as CVAT's task settings have it, with a score that is shown and not changed."""
    score = {"name": "score", "mutable": False, "input_type": "text", "values": [""]}
    return {"name": category.name, "attributes": [score | {"default_value": ""}]}
