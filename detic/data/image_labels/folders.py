"""Pictures in folders, one folder a class."""

from pathlib import Path

from detic.data.image_labels.class_index import ClassIndex
from detic.data.image_labels.record import image_label_record
from detic.data.image_labels.remembered import picture_sizes
from detic.data.tar_files import is_image_name
from detic.errors import InputError

INDEX_NAME = ".picture_sizes.json"


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
    names, labels = [], []
    for folder, label in classes.match_names(folders):
        pictures = sorted(path.name for path in folder.iterdir() if is_image_name(path.name))
        names += [f"{folder.name}/{picture}" for picture in pictures]
        labels += [label] * len(pictures)
    sizes = picture_sizes(root, names, index_file or root / INDEX_NAME)
    return [
        image_label_record(number, {"file_name": str(root / name)}, sizes.get(name), [label])
        for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1)
    ]
