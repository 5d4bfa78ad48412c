"""Images as people have annotated them, whichever tool they used, and what is wrong with some."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hotcoco import mask as rle

from detic.errors import InputError, some_of
from detic.images import IMAGE_ERRORS, is_image_name, read_image_size
from detic.result_rows import encoded_masks

TRAIN, VAL, TEST = "train", "val", "test"
# How tools call them, in names of folders, files and keys
SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing"), TEST),
}


@dataclass(frozen=True)
class AnnotatedObject:
    """One object of an image."""

    name: str  # of its class
    box_xywh: tuple[float, float, float, float]  # pixels
    mask: list | dict | None = None  # polygons or run lengths, as COCO has them
    is_crowd: bool = False  # a crowd, or too difficult to be asked for


@dataclass(frozen=True)
class AnnotatedImage:
    """One image: with objects, or with labels of the whole, or with neither as it shows nothing."""

    path: Path
    size_hw: tuple[int, int]
    objects: tuple[AnnotatedObject, ...] = ()
    labels: tuple[str, ...] = ()  # classes of the image as a whole
    split: str | None = None  # TRAIN, VAL or TEST; None: not said


class Problems:
    """The records of an export that cannot be used; one message names all, or the first of them."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, where: str, problem: str) -> None:
        """Note what is wrong with a record; ``where`` names its file and the record."""
        self._found.append(f"{where}: {problem}")

    def check(self, place: Path) -> None:
        """Refuse the data at ``place`` if a record is wrong.

        Raises:
            InputError: names the wrong records.
        """
        if self._found:
            count = len(self._found)
            records = "a record" if count == 1 else f"{count} records"
            raise InputError(
                f"{place}: {records} cannot be used: {some_of(self._found)}; correct the data and "
                "export them again"
            )


def split_of(name: str) -> str | None:
    """Return the split that a name of a file or folder tells of.

    >>> split_of("instances_val2017.json"), split_of("Valid"), split_of("boxes.json")
    ('val', 'val', None)
    """
    letters = "".join(c if c.isalpha() else " " for c in name.rpartition(".")[0] or name)
    return next((SPLITS[word] for word in letters.lower().split() if word in SPLITS), None)


def size_of(path: Path, where: str, problems: Problems) -> tuple[int, int] | None:
    """Return (height, width) of an image file; None, and a problem is noted, if it is none."""
    try:
        return read_image_size(path)
    except IMAGE_ERRORS as error:
        problems.add(where, f"the image {path} cannot be read ({error})")
        return None


class ImageFinder:
    """Finder of the image that an annotation names, often by a path of another machine.

    Args:
        folders: where images are; those in folders below are found too.
    """

    def __init__(self, folders: Iterable[Path]):
        self._folders = list(dict.fromkeys(folders))
        self._by_name: Mapping[str, Sequence[Path]] | None = None

    def find(self, name: str, where: str, problems: Problems) -> Path | None:
        """Return the image of a name; None, and a problem is noted, if there is none or several."""
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        if self._by_name is None:
            self._by_name = _images_by_name(self._folders)
        matches = self._by_name.get(Path(name).name, ())
        if len(matches) == 1:
            return matches[0]
        if matches:
            problems.add(where, f"{len(matches)} images are called {Path(name).name!r}")
        else:
            searched = some_of([str(folder) for folder in self._folders], 3)
            problems.add(
                where, f"there is no image {name!r} in {searched}; --images names the folder"
            )
        return None


def _images_by_name(folders: Iterable[Path]) -> Mapping[str, Sequence[Path]]:
    found: dict[str, dict[Path, None]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if is_image_name(path.name):
                found.setdefault(path.name, {})[path.resolve()] = None
    return {name: list(paths) for name, paths in found.items()}


def images_in(folder: Path) -> list[Path]:
    """Return the images directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_image_name(path.name))


def box_around(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Return the box (XYWH) around points.

    >>> box_around([(1, 5), (4, 2)])
    (1, 2, 3, 3)
    """
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def around_mask(mask: np.ndarray) -> tuple[tuple[float, float, float, float], dict]:
    """Return the box (XYWH) around a mask (H, W) bool, and the mask as run lengths.

    >>> around_mask(np.array([[False, True, True]]))[0]
    (1.0, 0.0, 2.0, 1.0)
    """
    [encoded] = encoded_masks(mask[None])
    x, y, width, height = rle.to_bbox(encoded).tolist()
    return (x, y, width, height), encoded


def in_split(images: Iterable[AnnotatedImage], split: str | None) -> list[AnnotatedImage]:
    """Return images with another split."""
    return [replace(image, split=split) for image in images]
