"""Which format an export has, and the one signature of all readers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detic.errors import InputError, unknown_choice
from detic.own_data.annotated import AnnotatedImage, Problems
from detic.own_data.class_folders import is_class_folders, read_class_folders
from detic.own_data.coco import is_coco, is_roboflow, read_coco, read_roboflow
from detic.own_data.cvat import is_cvat, read_cvat
from detic.own_data.label_studio import is_label_studio, read_label_studio
from detic.own_data.voc import is_voc, read_voc
from detic.own_data.yolo import is_yolo, read_yolo

# Takes the file or folder, the folder of the images if it was named, and where to note problems
Read = Callable[[Path, Path | None, Problems], list[AnnotatedImage]]


@dataclass(frozen=True)
class Format:
    """One format of exports."""

    recognises: Callable[[Path], bool]
    read: Read
    looks_like: str  # for the message that nothing was recognised


# In the order in which they are tried
FORMATS = {
    "roboflow": Format(is_roboflow, read_roboflow, "train/_annotations.coco.json"),
    "yolo": Format(is_yolo, read_yolo, "data.yaml"),
    "label-studio": Format(is_label_studio, read_label_studio, "a .json file with a list"),
    "coco": Format(is_coco, read_coco, "a .json file with images and annotations"),
    "cvat": Format(is_cvat, read_cvat, "annotations.xml"),
    "voc": Format(is_voc, read_voc, "Annotations/*.xml"),
    "folders": Format(is_class_folders, read_class_folders, "one folder of images a class"),
}


def recognise(place: Path) -> str:
    """Return the format of a file or folder, a key of FORMATS.

    Raises:
        InputError: there is nothing, or nothing that any reader knows.
    """
    if not place.exists():
        raise InputError(f"{place} is not there; name a file or a folder")
    found = next((name for name, form in FORMATS.items() if form.recognises(place)), None)
    if found is None:
        known = "; ".join(f"{name}: {form.looks_like}" for name, form in FORMATS.items())
        raise InputError(f"{place} has no format that is known ({known})")
    return found


def read_export(
    place: Path, images: Path | None = None, name: str | None = None
) -> list[AnnotatedImage]:
    """Return the annotated images of an export.

    Args:
        place: its file or folder.
        images: the folder of its images, where they are elsewhere.
        name: of its format; None: the one that is recognised.

    Raises:
        InputError: the format is not known, or records are wrong; the message names file and record.
    """
    if name is not None and name not in FORMATS:
        raise unknown_choice("format", name, FORMATS)
    problems = Problems()
    found = FORMATS[name or recognise(place)].read(place, images, problems)
    problems.check(place)
    if not found:
        raise InputError(f"{place} has no annotated image")
    return found
