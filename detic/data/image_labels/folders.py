"""Pictures in folders, one folder a class."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from detic.data.image_labels.class_index import ClassIndex
from detic.data.image_labels.record import image_label_record
from detic.data.image_labels.remembered import INDEX_NAME, picture_sizes
from detic.data.tar_files import is_image_name
from detic.errors import InputError

logger = logging.getLogger(__name__)


def load_image_folder(
    root: Path, classes: ClassIndex, index_file: Path | None = None
) -> list[dict]:
    """Return the records of the pictures in the folders below ``root``.

    Args:
        root: holds one folder for each class, named after it.
        classes: finds the class of a folder.
        index_file: where sizes of pictures are remembered; by default in ``root``.

    Raises:
        InputError: there are no folders, or one is named after no class.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder; it should hold one folder for each class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    names, labels, subfolders = [], [], []
    for folder, label in classes.match_names(folders):
        entries = list(os.scandir(folder))
        subfolders += [Path(entry.path) for entry in entries if entry.is_dir()]
        pictures = sorted(entry.name for entry in entries if is_image_name(entry.name))
        names += [f"{folder.name}/{picture}" for picture in pictures]
        labels += [label] * len(pictures)
    _warn_of_pictures_in(subfolders)
    sizes = picture_sizes(root, names, index_file or root / INDEX_NAME)
    return [
        image_label_record(number, {"file_name": str(root / name)}, sizes.get(name), [label])
        for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1)
    ]


def _warn_of_pictures_in(subfolders: Sequence[Path]) -> None:
    """Log how many pictures are left out because they are deeper than in the folder of a class."""
    deeper = [
        path for folder in subfolders for path in folder.rglob("*") if is_image_name(path.name)
    ]
    if deeper:
        logger.warning(
            "left out %d pictures in subfolders of class folders, such as %s; move them up into the "
            "folder of their class",
            len(deeper),
            deeper[0],
        )
