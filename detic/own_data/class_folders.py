"""Folders of class images: each has the name of a class, and its images show it."""

from pathlib import Path

from detic.own_data.annotated import (
    TRAIN,
    AnnotatedImage,
    Problems,
    images_in,
    size_of,
    split_of,
)


def is_class_folders(place: Path) -> bool:
    """Return whether all folders in a folder hold images, or those in its folder ``train`` do."""
    return bool(_class_folders(place))


def read_class_folders(
    place: Path, images: Path | None, problems: Problems
) -> list[AnnotatedImage]:
    """Return the images of folders; an underscore in a folder's name stands for a space.

    They train only: what has no boxes cannot be tested on. Of splits, ``train`` alone is read.
    """
    found = []
    for folder in _class_folders(place):
        label = folder.name.replace("_", " ")
        for path in images_in(folder):
            size_hw = size_of(path, str(folder), problems)
            if size_hw is not None:
                found.append(AnnotatedImage(path, size_hw, labels=(label,), split=TRAIN))
    return found


def _class_folders(place: Path) -> list[Path]:
    folders = _folders(place)
    training = [folder for folder in folders if split_of(folder.name) == TRAIN]
    if len(training) == 1 and not images_in(training[0]):
        folders = _folders(training[0])
    return folders if folders and all(map(images_in, folders)) else []


def _folders(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
