"""What images are called in the files of review tools, and copies of images that those tools cannot open."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from detic.errors import InputError
from detic.files import make_folder, writing
from detic.image_sources import is_address
from detic.labelling.job import Job
from detic.labelling.labelled_images import Images, sources_of
from detic.labelling.shards import Failure, content_of, suffix_of

_MAX_STEM = 60  # characters of a copy's name that come from its image's
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class ImagePlaces:
    """Where review tools find images: below a folder that is there, or copies."""

    image_root: Path | None = None  # names are relative to it; None: to the job's base folder
    copies: bool = False

    def root(self, job: Job) -> Path:
        """Return the folder that the names of images that stay where they are are relative to."""
        return Path(job.base) if self.image_root is None else self.image_root


def copied_name(image_id: int, file_name: str) -> str:
    """Return the name of the copy of an image, which no other one has.

    >>> copied_name(17, "shards/0.tar/a b.PNG")
    '00000017_a_b.png'
    """
    stem = os.path.splitext(os.path.basename(file_name.partition("?")[0]))[0]
    return f"{image_id:08d}_{_UNSAFE.sub('_', stem)[:_MAX_STEM]}{suffix_of(file_name)}"


def copy_images(images: Images, folder: Path) -> None:
    """Write copies of images into a folder, which is made.

    Raises:
        InputError: one of them is gone or cannot be read.
    """
    names = {
        image["image_id"]: copied_name(image["image_id"], image["file_name"]) for image in images
    }
    make_folder(folder)
    for image_id, source in sources_of(images.job, names):
        if isinstance(source, Failure):
            raise InputError(f"{source.name} cannot be copied: {source.reason}")
        content = content_of(source)
        with writing(folder / names[image_id]):
            (folder / names[image_id]).write_bytes(content)


class NamesBelow:
    """Finder of the names of images relative to a folder.

    Args:
        job: that labelled them.
        root: the folder.
    """

    def __init__(self, job: Job, root: Path):
        self._base = job.base
        self._root = os.path.abspath(root)
        self._packed = {shard.path for shard in job.shards if shard.kind != "list"}

    def __call__(self, file_name: str) -> str:
        """Return the name of an image, whose ``file_name`` is relative to the job's base folder.

        Raises:
            InputError: it is no file below the folder.
        """
        if is_address(file_name) or self._is_packed(file_name):
            raise InputError(
                f"{file_name} is no file that review tools can open; --copy-images writes files for them"
            )
        path = os.path.join(self._base, os.path.expanduser(file_name))
        name = os.path.relpath(path, self._root)
        if name.startswith(os.pardir + os.sep):
            raise InputError(
                f"{file_name} is not below {self._root}; name a folder that holds all images with "
                "--image-root, or write files of their own with --copy-images"
            )
        return name

    def _is_packed(self, file_name: str) -> bool:
        """Return whether an image is inside of a tar or Parquet file."""
        return any(file_name.startswith((f"{path}/", f"{path}#")) for path in self._packed)
