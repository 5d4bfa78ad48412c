"""Objects365 v2: correcting class names, leaving out images that are not there."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from detic.errors import InputError
from detic.progress import track


def read_name_fixes(path: str | os.PathLike) -> dict[int, tuple[str, str]]:
    """Return (released name, corrected name) by id from a table ``id,released,corrected``.

    Raises:
        InputError: the file is missing or a line has other fields.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    for number, row in enumerate(rows, start=1):
        if len(row) != 3 or not row[0].strip().isdigit():
            raise InputError(
                f"{path}, line {number}: {row}; expected id,released name,corrected name"
            )
    return {int(number): (released, corrected) for number, released, corrected in rows}


def fix_names(document: dict, fixes: Mapping[int, tuple[str, str]]) -> dict:
    """Return an annotation file with corrected class names.

    Names that need no correction stay as they are, spaces at their ends included: the registered
    class list has them, too.

    Args:
        document: content of an Objects365 v2 file.
        fixes: (released name, corrected name) by category id.

    Raises:
        InputError: a category is called neither, so the file is not the one the fixes are for.
    """
    categories = [
        {**c, "name": _fixed_name(c, *fixes[c["id"]])} if c["id"] in fixes else c
        for c in document["categories"]
    ]
    return {**document, "categories": categories}


def _fixed_name(category: dict, released: str, corrected: str) -> str:
    name = category["name"]
    if name.strip() not in (released.strip(), corrected.strip()):
        raise InputError(
            f"category {category['id']} is called {name!r}, expected {released!r} (to become "
            f"{corrected!r}); the names are not those of Objects365 v2"
        )
    return name if released.strip() == corrected.strip() else corrected


def without_missing_images(document: dict, image_dir: str | os.PathLike) -> tuple[dict, list[str]]:
    """Return the file without the images that are missing on disk, and their names.

    Args:
        document: content of an annotation file.
        image_dir: folder that ``file_name`` is relative to.

    Raises:
        InputError: an image has no file name.
    """
    unnamed = [image["id"] for image in document["images"] if "file_name" not in image]
    if unnamed:
        raise InputError(f"image {unnamed[0]} has no 'file_name'")
    there = _files_below(image_dir, {os.path.dirname(i["file_name"]) for i in document["images"]})
    bar = track(document["images"], description="images on disk", unit="image")
    images = [i for i in bar if os.path.normpath(i["file_name"]) in there]
    kept = {image["id"] for image in images}
    missing = [i["file_name"] for i in document["images"] if i["id"] not in kept]
    annotations = [a for a in document["annotations"] if a["image_id"] in kept]
    return {**document, "images": images, "annotations": annotations}, missing


def _files_below(root: str | os.PathLike, folders: set[str]) -> set[str]:
    """Return the files in some folders below ``root``, as paths relative to it.

    A folder is listed once, which is far quicker than asking for each of millions of files.
    """
    there: set[str] = set()
    for folder in track(sorted(folders), description="folders", unit="folder"):
        path = Path(root) / folder
        if path.is_dir():
            there.update(os.path.normpath(os.path.join(folder, name)) for name in os.listdir(path))
    return there
