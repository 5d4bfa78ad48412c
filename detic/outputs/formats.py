"""The formats of results: what writes them, and the files that they become."""

from collections.abc import Callable, Iterable
from pathlib import Path

from detic.outputs.coco_results import images_path, write_coco_results, write_lvis_results
from detic.outputs.features import write_features
from detic.outputs.json_lines import write_json, write_json_lines
from detic.outputs.mot import video_paths, write_mot
from detic.outputs.table import write_csv
from detic.outputs.voc import annotation_paths, write_voc
from detic.outputs.writer import ImagePaths, ImageRecord, Writer
from detic.outputs.yolo import label_paths, write_yolo

WRITERS: dict[str, Writer] = {
    "json": write_json,
    "jsonl": write_json_lines,
    "csv": write_csv,
    "coco": write_coco_results,
    "lvis": write_lvis_results,
    "yolo": write_yolo,
    "voc": write_voc,
    "mot": write_mot,
    "npz": write_features,
}

_IMAGE_PATHS: dict[str, Callable[[Path], ImagePaths]] = {
    "yolo": label_paths,
    "voc": annotation_paths,
    "mot": video_paths,
}
# The others write files of known names.
FOLDER_FORMATS = tuple(_IMAGE_PATHS)
FORMATS_WITH_MASKS = ("json", "jsonl", "coco", "lvis", "yolo")
_WITH_IMAGES = ("coco", "lvis")


def result_paths(format: str, path: Path) -> list[Path]:
    """Return the files that results in a format become, or their folder for FOLDER_FORMATS."""
    return [path, images_path(path)] if format in _WITH_IMAGES else [path]


def check_images(format: str, path: Path, images: Iterable[ImageRecord]) -> None:
    """Raise if two images would be described by the same file.

    Raises:
        InputError: they would; the message names both.
    """
    if format in FOLDER_FORMATS:
        paths = _IMAGE_PATHS[format](path)
        for image in images:
            paths.path(image)
