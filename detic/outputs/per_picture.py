"""What formats with a file per picture share."""

from pathlib import Path

from detic.errors import InputError
from detic.outputs.record import ImageRecord


class PicturePaths:
    """File names of pictures; two pictures never share one.

    Args:
        folder: where they lie.
        suffix: of the files, with the dot.
    """

    def __init__(self, folder: Path, suffix: str):
        self.folder = folder
        self.suffix = suffix
        self._owners: dict[Path, str] = {}

    def path(self, image: ImageRecord) -> Path:
        """Return the file of a picture.

        Raises:
            InputError: another picture has that file.
        """
        path = self.folder / f"{image.stem}{self.suffix}"
        owner = self._owners.setdefault(path, image.file_name)
        if owner != image.file_name:
            raise InputError(
                f"{owner} and {image.file_name} would both be described by {path}; rename one of "
                "them, or choose a format with one file for all pictures"
            )
        return path
