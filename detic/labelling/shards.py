"""A shard: the images that one worker labels in one go, and how they are read.

Shards are at most 1000 lines of a list, at most 1000 rows of a Parquet file, or one tar file.
"""

import codecs
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from detic.errors import InputError, in_short
from detic.files import is_file, open_to_read
from detic.image_sources import MAX_FILE_BYTES, ImageSource, is_address, shown_name
from detic.images import is_image_name
from detic.labelling.parquet import read_rows

MAX_IMAGES = 1000


class UnreadableShard(InputError):
    """A shard whose images cannot be read, now and here; another try may do it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be labelled."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Where the images of a shard are."""

    kind: str  # a key of READERS
    path: str  # of a list, a tar file or a Parquet file; an address where fsspec is installed
    start: int = 0  # first byte of a list, first row of a Parquet file
    stop: int = 0  # the one after the last
    num_images: int | None = None  # None: reading the tar file tells
    file_bytes: int | None = None  # of the whole file when the job was planned
    column: str | None = None  # of a Parquet file: holds the images
    is_in_job: bool = False  # a list that was written when the job was planned, in its folder

    def read(self) -> Iterator[ImageSource | Failure]:
        """Yield the images in order, and what is wrong with those that cannot be read.

        Raises:
            UnreadableShard: the file has changed since the job was planned, it is gone or damaged, or
                an address does not answer.
        """
        if self.file_bytes is not None and self.file_bytes != file_bytes(self.path):
            raise UnreadableShard(
                f"{shown_name(self.path)} has changed since the job was planned, or it is gone; put it "
                "back, or plan a job in another folder"
            )
        return self._images()

    def _images(self) -> Iterator[ImageSource | Failure]:
        try:
            yield from READERS[self.kind](self)
        except InputError as error:
            raise UnreadableShard(str(error)) from error
        except Exception as error:  # file systems at addresses, and pyarrow, have their own
            reason = in_short(" ".join(str(error).split())) or type(error).__name__
            raise UnreadableShard(f"cannot read {shown_name(self.path)} ({reason})") from error


def file_bytes(path: str) -> int | None:
    """Return the size of a file of this machine; None if there is none."""
    return None if is_address(path) or not is_file(path) else os.path.getsize(path)


def opened(path: str) -> AbstractContextManager[IO[bytes]]:
    """Return a file open for reading, of this machine or at an address that fsspec knows.

    Raises:
        InputError: it cannot be opened.
    """
    return _opened_remote(path) if is_address(path) else _opened_here(path)


def content_of(image: ImageSource) -> bytes:
    """Return the file of an image of a shard; one at an address is fetched.

    Raises:
        InputError: it cannot be read.
    """
    content = image.fetched().content
    if isinstance(content, bytes):
        return content
    with opened(os.path.expanduser(image.name)) as file:
        return file.read()


def suffix_of(name: str) -> str:
    """Return the suffix of an image's file, by its name.

    >>> suffix_of("photos/A.PNG"), suffix_of("rows.parquet#17")
    ('.png', '.jpg')
    """
    name = name.partition("?")[0]
    return os.path.splitext(name)[1].lower() if is_image_name(name) else ".jpg"


def _opened_here(path: str) -> AbstractContextManager[IO[bytes]]:
    try:
        return open_to_read(path)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error


@contextmanager
def _opened_remote(path: str) -> Iterator[IO[bytes]]:
    try:
        import fsspec

        file = fsspec.open(path, "rb").open()
    except Exception as error:  # each file system has its own
        raise InputError(f"cannot open {in_short(path)} ({in_short(str(error))})") from error
    with file:
        yield file


def _read_list(shard: Shard) -> Iterator[ImageSource | Failure]:
    """Yield the images whose paths or addresses are lines of a text file."""
    with opened(shard.path) as file:
        file.seek(shard.start)
        text = file.read(shard.stop - shard.start)
    if shard.start == 0:
        text = text.removeprefix(codecs.BOM_UTF8)
    for line in text.split(b"\n"):
        if name := os.fsdecode(line.strip()):
            yield ImageSource(name)


def _read_tar(shard: Shard) -> Iterator[ImageSource | Failure]:
    """Yield the images of a tar file as they come; one that is damaged yields those before.

    Raises:
        OSError: the system, or an address, does not give what may be there.
    """
    num_images = 0
    try:
        with opened(shard.path) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            while (member := tar.next()) is not None:
                vars(tar)["members"].clear()  # it would keep all headers
                if member.isreg() and is_image_name(member.name):
                    num_images += 1
                    yield _member(shard, tar, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        # Errors of the system have a number; those about the content, of bzip2 say, have none.
        if isinstance(error, OSError) and (error.errno is not None or is_address(shard.path)):
            raise
        yield Failure(shown_name(shard.path), f"the tar file is damaged or cut short ({error})")
    else:
        if not num_images:
            yield Failure(shown_name(shard.path), "the tar file holds no images")


def _member(shard: Shard, tar: tarfile.TarFile, member: tarfile.TarInfo) -> ImageSource | Failure:
    name = f"{shard.path}/{member.name}"
    content: Any = tar.extractfile(member)
    if member.size > MAX_FILE_BYTES:
        return Failure(shown_name(name), f"it has more than {MAX_FILE_BYTES:,} bytes")
    return ImageSource(name, content.read())


def _read_parquet(shard: Shard) -> Iterator[ImageSource | Failure]:
    """Yield the images of rows: bytes, paths, addresses, or structs as Hugging Face writes them."""
    with opened(shard.path) as file:
        rows = read_rows(file, shard.column or "", shard.start, shard.stop)
        for number, value in enumerate(rows, start=shard.start):
            yield _image_of_row(f"{shard.path}#{number}", value)


def _image_of_row(name: str, value: Any) -> ImageSource | Failure:
    if isinstance(value, dict):
        path, value = value.get("path"), value.get("bytes")
        value = path if value is None else value
    if isinstance(value, str) and value:
        return ImageSource(value)
    if isinstance(value, bytes) and value:
        return ImageSource(name, value)
    return Failure(shown_name(name), "the row holds no image")


READERS: dict[str, Callable[[Shard], Iterator[ImageSource | Failure]]] = {
    "list": _read_list,
    "tar": _read_tar,
    "parquet": _read_parquet,
}
