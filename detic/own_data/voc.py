"""Exports in the format of Pascal VOC: an XML file an image."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from detic.documents import read_text
from detic.errors import shown
from detic.own_data.annotated import (
    AnnotatedImage,
    AnnotatedObject,
    ImageFinder,
    Problems,
    size_of,
    split_of,
)
from detic.own_data.xml_file import parsed_xml

SIDES = ("xmin", "ymin", "xmax", "ymax")
LISTS = Path("ImageSets") / "Main"  # text files with the names of the images of each split


def is_voc(place: Path) -> bool:
    """Return whether a folder has XML files in it, in ``Annotations`` or in the folders of splits."""
    return place.is_dir() and any(_files(place))


def read_voc(place: Path, images: Path | None, problems: Problems) -> list[AnnotatedImage]:
    """Return the images that the XML files of a folder describe.

    Pixels count from 1 and both corners are inside, as in the original. Objects that are marked as
    difficult are neither asked for nor trained on.
    """
    finder = ImageFinder([images] if images else [place / "JPEGImages", place / "images", place])
    split_of_stem = _listed_splits(place)
    found = []
    for file in _files(place):
        root = parsed_xml(file, "annotation", problems)
        if root is None:
            continue
        name = root.findtext("filename") or f"{file.stem}.jpg"
        beside = file.parent / name
        path = beside if beside.is_file() else finder.find(name, str(file), problems)
        if path is None:
            continue
        size_hw = _size(root) or size_of(path, str(file), problems)
        if size_hw is None:
            continue
        split = split_of_stem.get(file.stem) or split_of(file.parent.name)
        found.append(AnnotatedImage(path, size_hw, _objects(root, file, problems), split=split))
    return found


def _files(place: Path) -> list[Path]:
    """Return the XML files: of the folder itself, or of those where the format has them."""
    folders = [place / "Annotations", *(f for f in sorted(place.iterdir()) if split_of(f.name))]
    return sorted(place.glob("*.xml")) or [
        file for f in folders for file in sorted(f.glob("*.xml"))
    ]


def _listed_splits(place: Path) -> dict[str, str]:
    """Return the split of each image that a list of one names."""
    splits: dict[str, str] = {}
    for file in sorted((place / LISTS).glob("*.txt")):
        split = split_of(file.name)
        if split is not None and "_" not in file.stem:  # others list a class: cat_train.txt
            splits |= {
                line.split()[0]: split for line in read_text(file).splitlines() if line.strip()
            }
    return splits


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Return (height, width) as a file has it; None if it does not say."""
    sides = [root.findtext(f"size/{side}", "") for side in ("height", "width")]
    if not all(side.isdecimal() and int(side) for side in sides):
        return None
    height, width = map(int, sides)
    return height, width


def _objects(
    root: ElementTree.Element, file: Path, problems: Problems
) -> tuple[AnnotatedObject, ...]:
    objects = []
    for number, entry in enumerate(root.iter("object"), start=1):
        where = f"{file}, object {number}"
        texts = [entry.findtext(f"bndbox/{side}") for side in SIDES]
        try:
            x1, y1, x2, y2 = (float(text or "nothing") for text in texts)
        except ValueError:
            problems.add(where, f"its box is {shown(texts)}; expected {', '.join(SIDES)}")
            continue
        if not (x1 <= x2 and y1 <= y2):  # also of numbers that are none
            problems.add(where, f"its box {shown(_plain([x1, y1, x2, y2]))} ends before it begins")
            continue
        box = (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1)
        is_difficult = (entry.findtext("difficult") or "0").strip() == "1"
        objects.append(
            AnnotatedObject((entry.findtext("name") or "").strip(), box, is_crowd=is_difficult)
        )
    return tuple(objects)


def _plain(numbers: Iterable[float]) -> list[float]:
    return [int(number) if number == int(number) else number for number in numbers]
