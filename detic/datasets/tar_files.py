"""Reading the members of tar files without unpacking them."""

import gzip
import io
import logging
import os
import tarfile
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from detic.errors import InputError
from detic.files import is_hidden, open_to_read

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")

BLOCK = 512  # bytes; headers and contents start at multiples
MAX_UNPACKED_BYTES = 2**28  # of one image
GZIP_MAGIC = b"\x1f\x8b"
# Headers that only add to the header that follows
EXTENSION_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
)


@dataclass(frozen=True)
class TarMember:
    """A regular file in a tar file; positions and sizes in bytes."""

    name: str
    header_offset: int  # of its first header, which may be that of a long name
    offset: int  # of its content
    size: int


def visible_tars(folder: Path) -> list[Path]:
    """Return the tar files of a folder by name, without hidden ones."""
    return sorted(path for path in folder.glob("*.tar") if not is_hidden(path.name))


def tar_members(path: str | os.PathLike) -> tuple[list[TarMember], int]:
    """Return the regular files of an uncompressed tar file, and where its last content ends.

    Links, and names that lead out of the archive (absolute ones, or with ``..``), are left out.

    Raises:
        InputError: the file cannot be read as a tar file, or was cut after one of its members.
    """
    members, end, num_unsafe = [], 0, 0
    try:
        with open_to_read(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.size < 0 or info.offset < end:  # it would go round in circles
                    raise tarfile.ReadError(f"a damaged header at byte {info.offset}")
                content_end = info.offset_data + (info.size if info.isreg() else 0)
                end = max(end, -(-content_end // BLOCK) * BLOCK)
                if info.isreg() and not info.issparse() and _stays_inside(info.name):
                    members.append(TarMember(info.name, info.offset, info.offset_data, info.size))
                elif not info.isdir():
                    num_unsafe += 1
            file.seek(end)
            if file.read(BLOCK) != bytes(BLOCK):
                raise tarfile.ReadError(
                    "it ends without the mark of its end: it was cut short; if not, "
                    f"`truncate -s +{2 * BLOCK} {path}` adds that mark"
                )
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as an uncompressed tar file ({error}); fetch it again"
        ) from error
    if num_unsafe:
        logger.warning(
            "%s: left out %d members that are links or devices or lead out of the archive",
            path,
            num_unsafe,
        )
    return members, end


def _stays_inside(name: str) -> bool:
    return not name.startswith(("/", "\\")) and ".." not in name.replace("\\", "/").split("/")


class TarReader:
    """Reader of pieces of files; the files used last stay open."""

    def __init__(self, max_open_files: int = 128):
        self._files = RecentlyUsed[str, int](max_open_files, _open_file, os.close)

    def read(self, path: str | os.PathLike, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on.

        Raises:
            OSError: the file is missing or ends before.
        """
        content = os.pread(self._files.get(str(path)), size, offset)
        if len(content) != size:
            raise OSError(f"{path} ends at byte {offset + len(content)}, not {offset + size}")
        return content


def content_of_entry(entry: bytes) -> bytes:
    """Return the content of a member given its bytes in the archive, headers first.

    A long name comes before the proper header as a member of its own, with a header and blocks
    of text. A gzip file is unpacked.

    Raises:
        OSError: the bytes are not those of a regular file.
    """
    position = 0
    while True:
        try:
            header = entry[position : position + BLOCK]
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise OSError(f"no tar header where the index says ({error})") from error
        position += BLOCK
        if info.size < 0:
            raise OSError("a tar header with a negative size")
        if info.type not in EXTENSION_TYPES:
            break
        position += -(-info.size // BLOCK) * BLOCK
    content = entry[position : position + info.size]
    if not info.isreg() or len(content) != info.size:
        raise OSError("the index does not point at a regular file")
    return _unpacked(content) if content.startswith(GZIP_MAGIC) else content


def _unpacked(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        unpacked = file.read(MAX_UNPACKED_BYTES + 1)
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise OSError(f"a gzip file of more than {MAX_UNPACKED_BYTES} bytes")
    return unpacked


def _open_file(path: str) -> int:
    return os.open(path, os.O_RDONLY)


class RecentlyUsed(Generic[Key, Thing]):
    """Things made on demand, of which only those used last are kept.

    A copy sent to another process starts empty.

    Args:
        capacity: how many are kept.
        make: key -> thing.
        discard: what to do with a thing that is not kept any more.
    """

    def __init__(
        self,
        capacity: int,
        make: Callable[[Key], Thing],
        discard: Callable[[Thing], None] | None = None,
    ):
        self._capacity = capacity
        self._make = make
        self._discard = discard
        self._things: OrderedDict[Key, Thing] = OrderedDict()

    def __reduce__(self):
        return RecentlyUsed, (self._capacity, self._make, self._discard)

    def get(self, key: Key) -> Thing:
        """Return the thing of this key."""
        if key in self._things:
            self._things.move_to_end(key)
            return self._things[key]
        thing = self._things[key] = self._make(key)
        if len(self._things) > self._capacity:
            _, oldest = self._things.popitem(last=False)
            if self._discard is not None:
                self._discard(oldest)
        return thing
