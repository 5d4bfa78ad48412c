"""Pascal VOC: an XML file per image."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from detic.detections import Detections
from detic.files import write_bytes
from detic.outputs.writer import Category, ImagePaths, ImageRecord, Write
from detic.result_rows import rounded_score

# What XML 1.0 has no place for: controls, halves of characters, noncharacters
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@contextmanager
def write_voc(path: Path, categories: Sequence[Category]) -> Iterator[Write]:
    """Yield a function that writes ``<image>.xml`` below ``path``."""
    paths = annotation_paths(path)

    def write(image: ImageRecord, detections: Detections) -> None:
        tree = annotation(image, detections)
        ElementTree.indent(tree)
        write_bytes(paths.path(image), ElementTree.tostring(tree, encoding="utf-8") + b"\n")

    yield write


def annotation_paths(folder: Path) -> ImagePaths:
    """Return the names of the annotation files."""
    return ImagePaths(folder, ".xml")


def annotation(image: ImageRecord, detections: Detections) -> ElementTree.Element:
    """Return the annotation element of an image."""
    height, width = detections.image_size_hw
    path = Path(image.file_name)
    root = ElementTree.Element("annotation")
    _add(root, "folder", path.parent.name)
    _add(root, "filename", path.name)
    size = ElementTree.SubElement(root, "size")
    for name, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, name, value)
    _add(root, "segmented", 0)
    for i in range(len(detections)):
        _add_object(root, detections, i)
    return root


def xml_text(value: object) -> str:
    """Return a text without the signs that XML has no place for, which names of files may have.

    >>> xml_text("a" + chr(11) + "b")
    'a\\\\x0bb'
    """
    return _NOT_IN_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", str(value))


def pixel_box(box_xyxy: np.ndarray, image_size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the first and the last pixel inside a box, counted from 1 as VOC does.

    >>> pixel_box(np.array([0.0, 0.0, 640.0, 480.0]), (480, 640))
    (1, 1, 640, 480)
    """
    height, width = image_size_hw
    x1, y1, x2, y2 = (round(float(value)) for value in box_xyxy)
    xmin, ymin = min(x1 + 1, width), min(y1 + 1, height)
    return xmin, ymin, max(x2, xmin), max(y2, ymin)


def _add_object(root: ElementTree.Element, detections: Detections, i: int) -> None:
    entry = ElementTree.SubElement(root, "object")
    _add(entry, "name", detections.names[i])
    _add(entry, "pose", "Unspecified")
    _add(entry, "truncated", 0)
    _add(entry, "difficult", 0)
    # VOC has neither score nor parent; readers pass over them.
    _add(entry, "score", rounded_score(detections.scores[i]))
    if detections.parent(i) is not None:
        _add(entry, "parent", detections.parent(i))
    box = pixel_box(detections.boxes_xyxy[i], detections.image_size_hw)
    bounds = ElementTree.SubElement(entry, "bndbox")
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
        _add(bounds, side, value)


def _add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = xml_text(value)
