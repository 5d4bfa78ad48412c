"""What writers share: what they are given, and names of files with one per image."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from detic.detections import Detections
from detic.errors import InputError
from detic.vocabulary import Vocabulary


@dataclass(frozen=True)
class ImageRecord:
    """The image that detections belong to."""

    file_name: str  # of the image or of the video
    image_id: int  # unique in a run, from 1 or the number that the image's name is
    stem: str  # name without suffix of files about this image, maybe with folders
    frame: int | None = None  # number of a video's frame, from 1


@dataclass(frozen=True)
class Category:
    """A class as files know it. The label of a detection is its index in the list of these."""

    id: int
    name: str
    parent: str | None = None  # the name of a more general class


Write = Callable[[ImageRecord, Detections], None]
Writer = Callable[[Path, Sequence[Category]], AbstractContextManager[Write]]


def numbered_categories(vocabulary: Vocabulary) -> list[Category]:
    """Return the classes of a vocabulary with ids from 1."""
    entries = enumerate(vocabulary.entries, start=1)
    return [Category(id, entry.name, entry.parent) for id, entry in entries]


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
