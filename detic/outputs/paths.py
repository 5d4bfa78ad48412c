"""What a writer will write, known before it does."""

from collections.abc import Callable, Iterable
from pathlib import Path

from detic.outputs.coco import images_path
from detic.outputs.per_image import ImagePaths
from detic.outputs.voc import annotation_paths
from detic.outputs.writer import ImageRecord
from detic.outputs.yolo import label_paths

_IMAGE_PATHS: dict[str, Callable[[Path], ImagePaths]] = {
    "yolo": label_paths,
    "voc": annotation_paths,
}
# The others write files of known names.
FOLDER_FORMATS = tuple(_IMAGE_PATHS)
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
