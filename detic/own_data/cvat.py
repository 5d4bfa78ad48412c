"""Exports of CVAT in its own format for images 1.1: one XML file with the shapes of all images."""

import logging
import math
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from detic.own_data.annotated import (
    AnnotatedImage,
    AnnotatedObject,
    ImageFinder,
    Problems,
    around_mask,
    box_around,
    size_of,
    split_of,
)
from detic.own_data.xml_file import parsed_xml

FILE = "annotations.xml"
TAG = "tag"  # a label of the whole image
Shape = tuple[tuple[float, float, float, float], list | dict | None]  # box (XYWH) and mask

logger = logging.getLogger(__name__)


def is_cvat(place: Path) -> bool:
    """Return whether a place is an XML file, or a folder with one of the name that CVAT gives it."""
    return (place / FILE).is_file() if place.is_dir() else place.suffix == ".xml"


def read_cvat(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the images that the XML file describes, those without shapes too.

    Args:
        place: the file, or its folder.
        images: the folder of the images; by default that of the file and what is below it.
        problems: where wrong images and shapes are noted.
    """
    file = place / FILE if place.is_dir() else place
    root = parsed_xml(file, "annotations", problems)
    finder = ImageFinder([images or file.parent])
    left_out: Counter[str] = Counter()
    found = []
    for entry in [] if root is None else root.iter("image"):
        where = f"{file}, image {entry.get('id')}"
        path = finder.find(entry.get("name", ""), where, problems)
        size_hw = None if path is None else size_of(path, where, problems)
        if path is not None and size_hw is not None:
            split = split_of(entry.get("subset", ""))
            objects = _objects(entry, size_hw, where, problems)
            labels = tuple(tag.get("label", "") for tag in entry.iter(TAG))
            found.append(AnnotatedImage(path, size_hw, objects, labels, split))
        left_out.update(shape.tag for shape in entry if shape.tag not in (*_SHAPES, TAG))
    if left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
        logger.warning("%s: left out what is neither box nor mask nor tag: %s", file, kinds)
    return found


def _objects(
    entry: Element, size_hw: tuple[int, int], where: str, problems: Problems
) -> tuple[AnnotatedObject, ...]:
    objects = []
    for number, shape in enumerate(entry, start=1):
        if shape.tag not in _SHAPES:
            continue
        try:
            box, mask = _SHAPES[shape.tag](shape, size_hw)
            if not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
                raise ValueError("it has no area")
            objects.append(AnnotatedObject(shape.attrib["label"], box, mask))
        except (ValueError, KeyError) as error:
            problems.add(
                f"{where}, shape {number}", f"its {shape.tag} is not as expected ({error})"
            )
    return tuple(objects)


def _box(shape: Element, size_hw: tuple[int, int]) -> Shape:
    """Return the box around a box, which may be turned about its centre."""
    x1, y1, x2, y2 = (float(shape.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
    angle = math.radians(float(shape.get("rotation") or 0))
    if not angle:
        return (x1, y1, x2 - x1, y2 - y1), None
    cos, sin = math.cos(angle), math.sin(angle)
    x, y, half_width, half_height = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
    offsets = [(sx * half_width, sy * half_height) for sx in (-1, 1) for sy in (-1, 1)]
    return box_around([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in offsets]), None


def _polygon(shape: Element, size_hw: tuple[int, int]) -> Shape:
    pairs = [pair.split(",") for pair in shape.attrib["points"].split(";")]
    points = [(float(x), float(y)) for x, y in pairs]
    if len(points) < 3:
        raise ValueError("a polygon has three points or more")
    return box_around(points), [[c for point in points for c in point]]


def _ellipse(shape: Element, size_hw: tuple[int, int]) -> Shape:
    """Return the polygon of an ellipse, which may be turned about its centre."""
    x, y, rx, ry = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    turn = math.radians(float(shape.get("rotation") or 0))
    cos, sin = math.cos(turn), math.sin(turn)
    angles = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    around = [(rx * math.cos(angle), ry * math.sin(angle)) for angle in angles]
    points = [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in around]
    return box_around(points), [[float(c) for point in points for c in point]]


def _mask(shape: Element, size_hw: tuple[int, int]) -> Shape:
    """Return a mask; its runs go along the rows of its window, that of the background first."""
    left, top, width, height = (
        int(shape.attrib[name]) for name in ("left", "top", "width", "height")
    )
    runs = [int(length) for length in shape.attrib["rle"].split(",")]
    is_inside = left >= 0 and top >= 0 and left + width <= size_hw[1] and top + height <= size_hw[0]
    if not is_inside or min(width, height, *runs) < 0 or sum(runs) != width * height:
        raise ValueError(f"it does not fit into an image of {size_hw[1]} x {size_hw[0]}")
    window = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    whole = np.zeros(size_hw, dtype=bool)
    whole[top : top + height, left : left + width] = window
    return around_mask(whole)


_SHAPES = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}
