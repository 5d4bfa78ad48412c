"""Images in folders, one folder a class."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from detic.datasets.image_labels.class_index import ClassIndex
from detic.datasets.image_labels.labelled_image import image_label_record
from detic.datasets.image_sizes import INDEX_NAME, image_sizes
from detic.errors import InputError
from detic.images import is_image_name, no_images, omission

logger = logging.getLogger(__name__)


def load_image_folder(
    root: Path, classes: ClassIndex, index_file: Path | None = None
) -> list[dict]:
    """Return the records of the images in the folders below ``root``.

    Args:
        root: holds one folder for each class, named after it.
        classes: finds the class of a folder.
        index_file: where sizes of images are remembered; by default in ``root``.

    Raises:
        InputError: there are no folders, or one is named after no class.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder; it should hold one folder for each class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    names, labels, subfolders, files = [], [], [], []
    for folder, label in classes.match_names(folders):
        entries = list(os.scandir(folder))
        subfolders += [Path(entry.path) for entry in entries if entry.is_dir()]
        files += [entry.path for entry in entries if entry.is_file()]
        images = sorted(entry.name for entry in entries if is_image_name(entry.name))
        names += [f"{folder.name}/{image}" for image in images]
        labels += [label] * len(images)
    _warn_of_images_in(subfolders)
    if left_out := omission(no_images(files)):
        logger.warning(left_out)
    sizes = image_sizes(root, names, index_file or root / INDEX_NAME)
    return [
        image_label_record(number, {"file_name": str(root / name)}, sizes.get(name), [label])
        for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1)
    ]


def _warn_of_images_in(subfolders: Sequence[Path]) -> None:
    """Log how many images are left out because they are deeper than in the folder of a class."""
    deeper = [
        path for folder in subfolders for path in folder.rglob("*") if is_image_name(path.name)
    ]
    if deeper:
        logger.warning(
            "left out %d images in subfolders of class folders, such as %s; move them up into the "
            "folder of their class",
            len(deeper),
            deeper[0],
        )
