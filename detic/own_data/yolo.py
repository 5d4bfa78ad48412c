"""Exports for YOLO: ``data.yaml`` and a text file an image, boxes or polygons in fractions.

A line is ``class x_centre y_centre width height`` or ``class x1 y1 x2 y2 x3 y3 ...``. Images without a
file show nothing. So what ``detic detect --format yolo`` writes can be trained on.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detic.documents import read_text
from detic.errors import InputError, in_short, shown
from detic.images import is_image_name
from detic.own_data.annotated import (
    SPLITS,
    AnnotatedImage,
    AnnotatedObject,
    Problems,
    box_around,
    images_in,
    size_of,
)
from detic.yaml_files import read_yaml

SUFFIXES = (".yaml", ".yml")
BOX_NUMBERS, MIN_POLYGON_NUMBERS = 4, 6
TOLERANCE = 0.01  # of coordinates outside of the image, relative to its sides; they are cut


def is_yolo(place: Path) -> bool:
    """Return whether a place is a description of a dataset for YOLO, or a folder with one."""
    return _description(place) is not None


def read_yolo(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the images that a ``data.yaml`` names.

    Args:
        place: the file or its folder.
        images: a folder of images to take in place of those that the file names; labels are in
            ``labels`` next to the file.
        problems: where wrong lines are noted.

    Raises:
        InputError: the file does not say which classes or which images there are.
    """
    file = _description(place)
    assert file is not None  # whoever calls has asked is_yolo
    content = read_yaml(file)
    names = _class_names(content, file)
    found: list[AnnotatedImage] = []
    for split, paths in _image_paths(content, file, images).items():
        for path in paths:
            where = f"{file}, {path.name}"
            size_hw = size_of(path, where, problems)
            if size_hw is not None:
                objects = _objects(_label_file(path, file), size_hw, names, problems)
                found.append(AnnotatedImage(path, size_hw, objects, split=split))
    return found


def _description(place: Path) -> Path | None:
    if place.is_file():
        return place if place.suffix in SUFFIXES else None
    files = [place / f"data{suffix}" for suffix in SUFFIXES]
    files += [file for suffix in SUFFIXES for file in sorted(place.glob(f"*{suffix}"))]
    return next((file for file in files if file.is_file() and _describes(file)), None)


def _describes(file: Path) -> bool:
    content = read_yaml(file)
    return isinstance(content, dict) and "names" in content


def _class_names(content: Any, file: Path) -> dict[int, str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(type(key) is int for key in names):
        raise InputError(f"{file}: 'names' is {shown(names)}; expected a list of class names")
    return {index: str(name) for index, name in names.items()}


def _image_paths(
    content: dict, file: Path, images: Path | None
) -> dict[str | None, Sequence[Path]]:
    """Return the images of each split; where training and validation have the same, of none."""
    if images is not None:
        return {None: _listed(images)}
    given = {SPLITS[key]: value for key, value in content.items() if key in SPLITS and value}
    if not given:
        raise InputError(f"{file} names no images; expected train: FOLDER and val: FOLDER")
    root = file.parent / str(content.get("path") or "")
    if not root.is_dir():
        root = file.parent  # a path of another machine, or of the folder of all datasets
    splits: dict[str | None, Sequence[Path]] = {}
    for split, value in given.items():
        entries = value if isinstance(value, list) else [value]
        splits[split] = [path for entry in entries for path in _listed(_place(str(entry), root))]
    if len(splits) > 1 and len({tuple(paths) for paths in splits.values()}) == 1:
        return {None: next(iter(splits.values()))}
    return splits


def _place(name: str, root: Path) -> Path:
    """Return where images are: Roboflow writes ``../train/images`` for ``train/images``."""
    inside = name
    while inside.startswith("../"):
        inside = inside.removeprefix("../")
    found = (place for place in (root / name, root / inside) if place.exists())
    place = next(found, None)
    if place is None:
        raise InputError(
            f"{root / name} is not there; correct data.yaml, or name the folder of the images with "
            "--images"
        )
    return place


def _listed(place: Path) -> list[Path]:
    if place.is_file():  # a list of paths
        lines = [line.strip() for line in read_text(place).splitlines() if line.strip()]
        return [place.parent / line for line in lines]
    found = images_in(place) or sorted(p for p in place.rglob("*") if is_image_name(p.name))
    if not found:
        raise InputError(
            f"{place} has no images; put them there, or name their folder with --images"
        )
    return found


def _label_file(image: Path, description: Path) -> Path:
    """Return the file with the labels of an image: in ``labels`` where that is in ``images``."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        beside = Path(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt")
        if beside.parent.is_dir():
            return beside
    own = description.parent / "labels" / f"{image.stem}.txt"
    return own if own.is_file() else image.with_suffix(".txt")


def _objects(
    file: Path, size_hw: tuple[int, int], names: dict[int, str], problems: Problems
) -> tuple[AnnotatedObject, ...]:
    if not file.is_file():
        return ()
    objects: dict[str, AnnotatedObject] = {}  # tools repeat lines
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        problem = _problem(words, names)
        if problem:
            problems.add(f"{file}, line {number}", problem)
        else:
            objects.setdefault(" ".join(words), _object(words, size_hw, names))
    return tuple(objects.values())


def _problem(words: Sequence[str], names: dict[int, str]) -> str | None:
    """Return what is wrong with a line, None if nothing is."""
    try:
        label, *numbers = map(float, words)
    except ValueError:
        return f"{in_short(' '.join(words))!r} has other entries than numbers"
    if label not in names:
        return f"class {words[0]} is none of the {len(names)} in data.yaml"
    count = len(numbers)
    if count != BOX_NUMBERS and (count < MIN_POLYGON_NUMBERS or count % 2):
        return (
            f"{count} numbers after the class; expected four of a box, or the points of a polygon"
        )
    if not all(map(math.isfinite, numbers)):
        return "a number is not finite"
    if not all(-TOLERANCE <= number <= 1 + TOLERANCE for number in numbers):
        return "a number is not between 0 and 1; they are fractions of the image's width and height"
    if count == BOX_NUMBERS and min(numbers[2:]) <= 0:
        return "a box without area"
    return None


def _object(words: Sequence[str], size_hw: tuple[int, int], names: dict[int, str]):
    label, *numbers = map(float, words)
    height, width = size_hw
    if len(numbers) == BOX_NUMBERS:
        x, y, w, h = numbers
        ends = [(x - w / 2, y - h / 2), (x + w / 2, y + h / 2)]
    else:
        ends = list(zip(numbers[0::2], numbers[1::2], strict=True))
    points = [(_cut(x) * width, _cut(y) * height) for x, y in ends]
    polygon = [coordinate for point in points for coordinate in point]
    mask = [polygon] if len(points) > 2 else None
    return AnnotatedObject(names[int(label)], box_around(points), mask)


def _cut(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)
