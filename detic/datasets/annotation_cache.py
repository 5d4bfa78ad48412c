"""Annotation files read once: their arrays are kept beside them, and read in their place.

A cache is that of a content: it has the SHA-256 of the annotation file, which is computed at each start
(a gigabyte takes about a second). Times and sizes of files would be faster and can lie: copies and
archives keep them while the content differs. A cache is read like any other file of strangers: it has
a checksum, holds numbers and texts alone, and what does not fit together is refused. It is read into memory, as
a file that is mapped could be cut short while a training lasts.

Where the folder cannot be written, the cache is in the cache folder of the user, or nowhere.
"""

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from detic.datasets.annotation_blocks import record_blocks
from detic.datasets.annotation_file import KINDS, log_missing_ids, read_annotation_file
from detic.datasets.annotation_table import AnnotationTable, check_arrays
from detic.datasets.table_builder import TableBuilder
from detic.documents import collector_paused
from detic.errors import InputError
from detic.files import open_to_read, unfinished_path
from detic.paths import cache_folder
from detic.shared_arrays import ArrayReceiver, Place, SharedArrays

logger = logging.getLogger(__name__)

VERSION = 2  # rises when arrays change their meaning; other versions have files of their own
MAGIC = b"detic annotations\n"
SMALLEST = 2**23  # bytes of an annotation file that is worth a cache
CHUNK = 2**24  # bytes that are read at once
MAX_HEADER = 2**26  # bytes
NUM_AT_ONCE = 50_000  # records of a file that was read as a whole

# What reading and checking contents of strangers raises; the whole file is looked at then
UNUSUAL = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError),
    *(RuntimeError, MemoryError, InputError),
)


def read_annotation_table(path: str | os.PathLike) -> AnnotationTable:
    """Return the checked content of an annotation file as arrays.

    Args:
        path: the file; a large one is remembered.

    Raises:
        InputError: names the file, and the first record that is not as it should be.
    """
    path = Path(path)
    remembered = _remembered(path)
    if remembered is not None:
        return remembered
    table, digest = _read_in_blocks(path) or _read_whole(path)
    if digest is not None and os.path.getsize(path) >= SMALLEST:
        _remember(path, table, digest)
    return table


@collector_paused()
def _read_in_blocks(path: Path) -> tuple[AnnotationTable, str] | None:
    """Return the table of a file and the digest of its content; None if it is not understood."""
    builder = TableBuilder()
    add = {
        "categories": builder.add_categories,
        "images": builder.add_images,
        "annotations": builder.add_annotations,
    }
    needed = {"categories", "images"}
    try:
        with open_to_read(path) as file:
            hashed = _HashedFile(file)
            for section, records in record_blocks(hashed, KINDS):
                needed.discard(section)
                add[section](records)
        if needed:
            return None
        table = builder.finish(str(path))
    except (*UNUSUAL, OSError) as error:
        logger.debug("%s is read as a whole: %s", path, error)
        return None
    if builder.lacks_ids:
        log_missing_ids(path)
    return table, hashed.digest.hexdigest()


def _read_whole(path: Path) -> tuple[AnnotationTable, str | None]:
    """Return the table of a file, and the digest of its content if that stayed the same meanwhile."""
    is_large = os.path.isfile(path) and os.path.getsize(path) >= SMALLEST
    digest = _digest_of(path) if is_large else None
    table = table_of_whole_file(path)
    return table, digest if digest is not None and digest == _digest_of(path) else None


@collector_paused()
def table_of_whole_file(path: Path) -> AnnotationTable:
    """Return the content of a file that is damaged or written in an unusual way.

    Raises:
        InputError: it is damaged.
    """
    content = read_annotation_file(path)
    builder = TableBuilder()
    builder.add_categories(content.categories)
    builder.add_images(content.images)
    annotations = [a for _, of_image in content.images_with_annotations() for a in of_image]
    for start in range(0, len(annotations), NUM_AT_ONCE):
        builder.add_annotations(annotations[start : start + NUM_AT_ONCE])
    return builder.finish(str(path))


class _HashedFile:
    """A file that is read from its beginning to its end, and its SHA-256."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self.digest.update(content)
        return content


def _places(path: Path, size: int) -> Iterator[Path]:
    """Yield where the cache of a file may be; the name of the second ends in its digest."""
    yield path.with_name(f".{path.name}.arrays{VERSION}")
    try:
        yield cache_folder() / "annotations" / f"{size}-"
    except OSError:
        return


def _remembered(path: Path) -> AnnotationTable | None:
    """Return the table in the cache of a file; None if there is none, or not of its content."""
    try:
        size = os.path.getsize(path)
        beside, *users = _places(path, size)
        candidates = [beside] if os.path.lexists(beside) else []
        candidates += [found for place in users for found in place.parent.glob(f"{place.name}*")]
        if not candidates:
            return None
        digest = _digest_of(path)
    except (OSError, InputError):
        return None  # told when the file is read
    for candidate in candidates:
        if candidate == beside or candidate.name == f"{size}-{digest}.arrays{VERSION}":
            try:
                return load_cache(candidate, str(path), digest)
            except (*UNUSUAL, OSError) as error:
                logger.info("reading %s again, as its cache does not serve: %s", path, error)
    return None


def _digest_of(path: Path) -> str:
    with open_to_read(path) as file:
        hashed = _HashedFile(file)
        while hashed.read(CHUNK):
            pass
    return hashed.digest.hexdigest()


def _remember(path: Path, table: AnnotationTable, digest: str) -> None:
    """Write the cache of a file where that is possible."""
    beside, *users = _places(path, os.path.getsize(path))
    places = [beside, *(p.with_name(f"{p.name}{digest}.arrays{VERSION}") for p in users)]
    for place in places:
        try:
            write_cache(place, table, digest)
        except (InputError, OSError) as error:
            logger.debug("%s", error)
            continue
        logger.info("%s is remembered in %s: the next start is faster", path, place)
        return
    logger.info("%s is not remembered, as no folder for it can be written", path)


def write_cache(place: Path, table: AnnotationTable, digest: str) -> None:
    """Write a table; the file appears when it is complete.

    Raises:
        InputError: it cannot be written.
    """
    header = {
        "content": digest,
        "categories": table.categories,
        "has_text_ids": table.has_text_ids,
        "places": {name: asdict(place) for name, place in table.arrays.places.items()},
        "size": len(table.arrays.content),
    }
    parts: list[bytes | memoryview] = [json.dumps(header).encode(), table.arrays.content]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    with unfinished_path(place) as unfinished, unfinished.open("wb") as file:
        file.write(MAGIC + checksum.to_bytes(4, "little") + len(parts[0]).to_bytes(8, "little"))
        for part in parts:
            file.write(part)


def load_cache(place: Path, path: str, digest: str) -> AnnotationTable:
    """Return the table in a cache.

    Raises:
        ValueError: it is damaged, of another content, or no cache.
    """
    with open_to_read(place) as file:
        start = file.read(len(MAGIC) + 12)
        if len(start) < len(MAGIC) + 12 or not start.startswith(MAGIC):
            raise ValueError("it is no cache")
        checksum, length = start[len(MAGIC) : -8], int.from_bytes(start[-8:], "little")
        text = file.read(min(length, MAX_HEADER))
        header = json.loads(text)
        if header["content"] != digest:
            raise ValueError("the annotation file has changed")
        arrays, found = _receive(file, header, zlib.crc32(text))
    if found.to_bytes(4, "little") != checksum:
        raise ValueError("it is damaged")
    categories = [{"id": int(c["id"]), "name": str(c["name"])} for c in header["categories"]]
    check_arrays(arrays, len(categories))
    return AnnotationTable(path, categories, header["has_text_ids"] is True, arrays)


def _receive(file: BinaryIO, header: dict, checksum: int) -> tuple[SharedArrays, int]:
    """Return the arrays in the rest of a file, and its checksum."""
    size = int(header["size"])
    if os.fstat(file.fileno()).st_size != file.tell() + size:
        raise ValueError("it is cut short")
    places = {
        name: Place(place["offset"], place["dtype"], tuple(place["shape"]))
        for name, place in header["places"].items()
    }
    for name, place in places.items():
        if not place.is_within(size):
            raise ValueError(f"{name!r} is not within the file")
    receiver = ArrayReceiver()
    while chunk := file.read(CHUNK):
        checksum = zlib.crc32(chunk, checksum)
        receiver.write(chunk)
    return receiver.finish(places), checksum
