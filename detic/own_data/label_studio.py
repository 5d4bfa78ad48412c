"""Exports of Label Studio as JSON: rectangles, polygons, brushes and choices of tasks with images."""

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from detic.documents import read_json
from detic.errors import InputError, shown
from detic.files import is_hidden, open_to_read
from detic.own_data.annotated import (
    AnnotatedImage,
    AnnotatedObject,
    ImageFinder,
    Problems,
    around_mask,
    box_around,
    size_of,
)
from detic.own_data.brush import decode_brush

logger = logging.getLogger(__name__)

UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what is put before the names of files that are uploaded
LABELS = {"rectanglelabels", "polygonlabels", "brushlabels"}  # types of results, and their fields
CHOICES = "choices"  # labels of whole images


def is_label_studio(place: Path) -> bool:
    """Return whether a place is a json file with a list, or a folder with one such file."""
    return _export(place) is not None


def read_label_studio(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the annotated images of an export; tasks that nobody has annotated are left out.

    Args:
        place: the file, or its folder.
        images: the folder of the images; by default that of the file and what is below it.
        problems: where wrong tasks and results are noted.

    Raises:
        InputError: it is another export than ``JSON``.
    """
    file = _export(place)
    assert file is not None  # whoever calls has asked is_label_studio
    tasks = read_json(file)
    if not all(isinstance(task, dict) and "annotations" in task for task in tasks):
        raise InputError(f"{file} is no list of Label Studio's tasks; export as JSON, not JSON-MIN")
    finder = ImageFinder([images or file.parent])
    left_out: Counter[str] = Counter()
    found = []
    for task in tasks:
        where = f"{file}, task {shown(task.get('id'))}"
        if not _is_well_formed(task):
            problems.add(where, "it has not the form of Label Studio's tasks")
            continue
        results = _results(task)
        if results is None:
            continue
        path = _find_image(task, finder, where, problems)
        size_hw = None if path is None else size_of(path, where, problems)
        if path is not None and size_hw is not None:
            found.append(_image(path, size_hw, results, where, problems))
        left_out.update(str(r.get("type")) for r in results if not _is_known(r))
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
        logger.warning("%s: left out what is neither box nor mask nor choice: %s", file, kinds)
    return found


def _export(place: Path) -> Path | None:
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    lists = [file for file in files if file.suffix == ".json" and _is_list(file)]
    return lists[0] if len(lists) == 1 else None


def _is_list(file: Path) -> bool:
    if is_hidden(file.name):
        return False
    with open_to_read(file) as content:
        return content.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _is_well_formed(task: dict) -> bool:
    """Return whether objects and lists are where a task has them."""
    annotations = task["annotations"] or []
    if not _are_objects(annotations) or not isinstance(task.get("data") or {}, dict):
        return False
    results = [annotation.get("result") or [] for annotation in annotations]
    return all(
        _are_objects(of_one)
        and all(isinstance(result.get("type"), str | None) for result in of_one)
        for of_one in results
    )


def _are_objects(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def _results(task: dict) -> list[dict] | None:
    """Return the results of a task's last annotation that was not given up; None if there is none."""
    done = [a for a in task["annotations"] or () if not a.get("was_cancelled")]
    return list(done[-1].get("result") or ()) if done else None


def _is_known(result: dict) -> bool:
    return result.get("type") in LABELS or result.get("type") == CHOICES


def _find_image(task: dict, finder: ImageFinder, where: str, problems: Problems) -> Path | None:
    """Return the image of a task: by its name, or by that before it was uploaded."""
    texts = [value for value in (task.get("data") or {}).values() if isinstance(value, str)]
    if not texts:
        problems.add(where, "its data name no image")
        return None
    address = urlsplit(texts[0])
    local = parse_qs(address.query).get("d")  # /data/local-files/?d=folder/image.jpg
    name = local[0] if local else unquote(Path(address.path).name)
    plain = UPLOAD.sub("", Path(name).name)
    if plain != Path(name).name:
        path = finder.find(name, where, Problems())
        if path is not None:
            return path
        name = plain
    return finder.find(name, where, problems)


def _image(
    path: Path, size_hw: tuple[int, int], results: list[dict], where: str, problems: Problems
) -> AnnotatedImage:
    objects: list[AnnotatedObject] = []
    labels: list[str] = []
    for result in results:
        kind, value = result.get("type"), result.get("value") or {}
        if kind == CHOICES:
            labels += map(str, value.get(CHOICES, ()))
        elif kind in LABELS:
            try:
                objects += _objects(str(kind), value, result, size_hw)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                what = f"its {kind} {shown(value)} is not as expected ({error})"
                problems.add(f"{where}, result {result.get('id')}", what)
    return AnnotatedImage(path, size_hw, tuple(objects), tuple(labels))


def _objects(
    kind: str, value: dict, result: dict, size_hw: tuple[int, int]
) -> Iterator[AnnotatedObject]:
    """Yield the object of a result, once for each of its labels.

    Raises:
        ValueError, TypeError, KeyError, IndexError: the result is malformed.
    """
    box, mask = _SHAPES[kind](value, result, size_hw)
    if not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise ValueError("it has no area")
    for name in value[kind]:
        yield AnnotatedObject(str(name), box, mask)


def _rectangle(value: dict, result: dict, size_hw: tuple[int, int]):
    """Return the box around a rectangle, which may be turned about its first corner."""
    height, width = size_hw
    x, y = value["x"] * width / 100, value["y"] * height / 100
    w, h = value["width"] * width / 100, value["height"] * height / 100
    angle = math.radians(value.get("rotation") or 0)
    if not angle:
        return (x, y, w, h), None
    cos, sin = math.cos(angle), math.sin(angle)
    offsets = [(0, 0), (w, 0), (w, h), (0, h)]
    corners = [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in offsets]
    return box_around(corners), None


def _polygon(value: dict, result: dict, size_hw: tuple[int, int]):
    height, width = size_hw
    points = [(x * width / 100, y * height / 100) for x, y in value["points"]]
    if len(points) < 3:
        raise ValueError("a polygon has three points or more")
    return box_around(points), [[float(c) for point in points for c in point]]


def _brush(value: dict, result: dict, size_hw: tuple[int, int]):
    size = int(result["original_height"]), int(result["original_width"])
    if size != size_hw:
        raise ValueError(f"it is {size[0]} x {size[1]}, the image {size_hw[0]} x {size_hw[1]}")
    return around_mask(decode_brush(value["rle"], size_hw) > 0)


_SHAPES = {"rectanglelabels": _rectangle, "polygonlabels": _polygon, "brushlabels": _brush}
