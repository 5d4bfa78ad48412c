"""What formats with a file per picture share."""

from collections.abc import Mapping
from pathlib import Path

from detic.errors import InputError
from detic.outputs.record import ImageRecord


class PicturePaths:
    """File names of pictures; two pictures never share one.

    Args:
        folder: where they lie.
        suffix: of the files, with the dot.
        taken: names of files there that describe no picture, each with what it holds.
    """

    def __init__(self, folder: Path, suffix: str, taken: Mapping[str, str] | None = None):
        self.folder = folder
        self.suffix = suffix
        self._owners = {folder / name: content for name, content in (taken or {}).items()}

    def path(self, image: ImageRecord) -> Path:
        """Return the file of a picture.

        Raises:
            InputError: it belongs to another picture, or holds something else.
        """
        path = self.folder / f"{image.stem}{self.suffix}"
        owner = self._owners.setdefault(path, image.file_name)
        if owner != image.file_name:
            raise InputError(
                f"{owner} and {image.file_name} would both be written to {path}; rename the "
                "picture, or choose a format with one file for all pictures"
            )
        return path
