"""What formats with a file per image share."""

from collections.abc import Mapping
from pathlib import Path

from detic.errors import InputError
from detic.outputs.writer import ImageRecord


class ImagePaths:
    """File names of images; two images never share one.

    Args:
        folder: where they lie.
        suffix: of the files, with the dot.
        taken: names of files there that describe no image, each with what it holds.
    """

    def __init__(self, folder: Path, suffix: str, taken: Mapping[str, str] | None = None):
        self.folder = folder
        self.suffix = suffix
        self._owners = {folder / name: content for name, content in (taken or {}).items()}

    def path(self, image: ImageRecord) -> Path:
        """Return the file of an image.

        Raises:
            InputError: it belongs to another image, or holds something else.
        """
        path = self.folder / f"{image.stem}{self.suffix}"
        owner = self._owners.setdefault(path, image.file_name)
        if owner != image.file_name:
            raise InputError(
                f"{owner} and {image.file_name} would both be written to {path}; rename the "
                "image, or choose a format with one file for all images"
            )
        return path
