"""What every writer is given."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from detic.detections import Detections
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
