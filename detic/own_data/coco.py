"""Exports in COCO's format, Roboflow's too: one json file for all images or for each split."""

import os
from pathlib import Path

from detic.datasets.annotation_cache import read_annotation_table
from detic.datasets.annotation_table import FILE_NAME, AnnotationTable
from detic.datasets.coco_style import coco_style_records
from detic.errors import InputError
from detic.files import is_hidden, open_to_read
from detic.own_data.annotated import (
    AnnotatedImage,
    AnnotatedObject,
    Problems,
    in_split,
    split_of,
)

ROBOFLOW_FILE = "_annotations.coco.json"
LOOKED_AT = 2**24  # bytes of a file, to see what it is
PREFERRED = "instances"  # of the files that COCO itself has for each split


def is_roboflow(place: Path) -> bool:
    """Return whether a folder has one of Roboflow's COCO files in it or in the folder of a split."""
    return any(place.glob(f"*/{ROBOFLOW_FILE}")) or (place / ROBOFLOW_FILE).is_file()


def is_coco(place: Path) -> bool:
    """Return whether a place is a json file with an object, or a folder with such files."""
    return any(map(_is_object, _candidates(place)))


def read_roboflow(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the images of a COCO export of Roboflow; each split is a folder with its images."""
    files = sorted(place.glob(f"*/{ROBOFLOW_FILE}")) or [place / ROBOFLOW_FILE]
    return [
        image
        for file in files
        for image in in_split(
            _read_file(file, images or file.parent, problems), split_of(file.parent.name)
        )
    ]


def read_coco(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the images of a file in COCO's format, or of the files of a folder.

    Files are checked as all annotation files are, see ``detic.datasets.annotation_file``. Files in
    LVIS's format are read as well.

    Raises:
        InputError: names the file and the record that is not as it should be; or a folder has
            several files of one split.
    """
    found: list[AnnotatedImage] = []
    for split, file in _files_by_split(place).items():
        root = images or _image_root(file, place if place.is_dir() else file.parent)
        found += in_split(_read_file(file, root, problems), split)
    return found


def _candidates(place: Path) -> list[Path]:
    if place.is_dir():
        files = [*place.glob("*.json"), *place.glob("annotations/*.json")]
        return sorted(file for file in files if not is_hidden(file.name))
    return [place] if place.suffix == ".json" else []


def _is_object(file: Path) -> bool:
    """Return whether a json file holds an object that may have annotations."""
    with open_to_read(file) as content:
        start = content.read(LOOKED_AT)
    is_whole = len(start) < LOOKED_AT
    is_object = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    return is_object and (b'"annotations"' in start or not is_whole)


def _files_by_split(place: Path) -> dict[str | None, Path]:
    by_split: dict[str | None, Path] = {}
    files = [file for file in _candidates(place) if _is_object(file)]
    preferred = [file for file in files if file.name.startswith(PREFERRED)]
    for file in preferred or files:
        split = None if place.is_file() else split_of(file.name)
        if split in by_split:
            raise InputError(
                f"{place} has several annotation files of one split, {by_split[split].name} and "
                f"{file.name}; name one of them with --data, and --val for validation"
            )
        by_split[split] = file
    if None in by_split and len(by_split) > 1:
        raise InputError(
            f"{place} has annotation files of splits and {by_split[None].name}; name one file with "
            "--data, and --val for validation"
        )
    return by_split


def _image_root(file: Path, top: Path) -> Path:
    """Return the folder that the names of a file are relative to: where its first image is."""
    table = read_annotation_table(file)
    if not len(table) or table["place_kinds"][0] != FILE_NAME:
        return file.parent
    name = table.text("places", 0)
    near = list(dict.fromkeys((file.parent, top, file.parent.parent)))
    below = [child for folder in near for child in sorted(folder.iterdir()) if child.is_dir()]
    deeper = [child / "images" for child in below]
    found = (folder for folder in [*near, *below, *deeper] if (folder / name).is_file())
    root = next(found, None)
    if root is None:
        raise InputError(
            f"{file}: its first image {name!r} is neither in {file.parent} nor in a folder next to the "
            "file; name the folder of the images with --images"
        )
    return root


def _read_file(file: Path, root: Path, problems: Problems) -> list[AnnotatedImage]:
    table = read_annotation_table(file)
    names = _category_names(table, problems)
    images = []
    for record in coco_style_records(table, str(root)):
        path = Path(record["file_name"])
        if not os.path.isfile(path):
            problems.add(f"{file}, image {record['image_id']}", f"there is no image {path}")
        images.append(
            AnnotatedImage(
                path=path,
                size_hw=(record["height"], record["width"]),
                objects=tuple(_object(annotation, names) for annotation in record["annotations"]),
            )
        )
    return images


def _category_names(table: AnnotationTable, problems: Problems) -> list[str]:
    for category in table.categories:
        if not isinstance(category.get("name"), str):
            problems.add(f"{table.path}, category {category['id']}", "it has no name")
    return [str(category.get("name")) for category in table.categories]


def _object(annotation: dict, names: list[str]) -> AnnotatedObject:
    x, y, width, height = annotation["bbox"]
    mask = annotation.get("segmentation")
    if isinstance(mask, dict) and isinstance(mask["counts"], bytes):
        mask = {**mask, "counts": mask["counts"].decode("ascii")}
    return AnnotatedObject(
        name=names[annotation["category_id"]],
        box_xywh=(x, y, width, height),
        mask=mask,
        is_crowd=bool(annotation["iscrowd"]),
    )
