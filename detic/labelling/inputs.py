"""What a user names as images, as shards.

A list stays where it is: its shards are ranges of bytes. The files of folders and patterns are
written to lists in the folder of the job as they are found. Memory holds the names of one folder, or
those that one pattern finds.
"""

import glob
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from detic.errors import InputError, in_short
from detic.file_search import is_pattern
from detic.files import is_hidden, make_folder, reason_of, unfinished_path
from detic.image_sources import is_address
from detic.images import is_image_name
from detic.labelling.parquet import image_column, open_parquet, row_ranges
from detic.labelling.shards import MAX_IMAGES, Shard, file_bytes, opened

_STDIN = "-"
_WEB = ("http://", "https://")
_KINDS = {
    **dict.fromkeys((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"), "tar"),
    ".parquet": "parquet",
    **dict.fromkeys((".txt", ".lst", ".list"), "list"),
}
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputOptions:
    """How inputs become shards."""

    shard_size: int = MAX_IMAGES  # images, at most
    image_column: str | None = None  # of Parquet files


def plan_shards(arguments: Iterable[str], lists: Path, options: InputOptions) -> Iterator[Shard]:
    """Yield the shards of what the arguments name, in order.

    Args:
        arguments: images, folders, patterns, lists of paths and addresses (.txt, one a line, or - for
            standard input), tar files, Parquet files; also at addresses that fsspec knows.
        lists: folder where lists of found files are written.
        options: how they are cut.

    Raises:
        InputError: one of them does not exist, or cannot be read.
    """
    shutil.rmtree(lists, ignore_errors=True)  # of a planning that was killed
    make_folder(lists)
    for name in _with_lists(_files(arguments, lists), lists):
        is_in_job = os.path.dirname(name) == str(lists)
        for shard in _CUTTERS[kind_of(name)](name, options):
            yield replace(shard, is_in_job=is_in_job)


def kind_of(name: str) -> str:
    """Return what a file is by its suffix: list, tar, parquet or, if by none of these, image."""
    name = name.partition("?")[0] if name.startswith(_WEB) else name
    return next((kind for suffix, kind in _KINDS.items() if name.lower().endswith(suffix)), "image")


def _with_lists(files: Iterable[str], lists: Path) -> Iterator[str]:
    """Yield files, and in place of images lists of them."""
    for is_image, group in groupby(files, lambda file: kind_of(file) == "image"):
        if is_image:
            yield _list_of(group, lists)
        else:
            yield from group


def _list_of(names: Iterable[str], lists: Path) -> str:
    """Return a list of our own with names; those that no list can hold are left out."""
    path = _new_list(lists)
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        for name in names:
            if name != name.strip() or "\n" in name:
                logger.warning("left out %r: in a list, it would be another name", in_short(name))
            else:
                file.write(os.fsencode(name) + b"\n")
    return str(path)


def _new_list(lists: Path) -> Path:
    return lists / f"{len(list(lists.iterdir())):05d}.txt"


def _files(arguments: Iterable[str], lists: Path) -> Iterator[str]:
    """Yield the files that the arguments name."""
    for argument in arguments:
        for one in _without_ranges(argument):
            is_empty = True
            for file in _files_of(one, lists):
                is_empty = False
                yield file
            if is_empty:
                logger.warning("there are no images in %s", one)


def _files_of(name: str, lists: Path) -> Iterator[str]:
    if name == _STDIN:
        return iter([_kept_list(sys.stdin.buffer, lists)])
    return _remote_files(name, lists) if is_address(name) else _files_here(os.path.expanduser(name))


def _without_ranges(argument: str) -> Iterator[str]:
    """Yield a name for each number of a range.

    >>> list(_without_ranges("a-{08..10}.tar"))
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    found = _RANGE.search(argument)
    if found is None or os.path.exists(argument):
        yield argument
        return
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise InputError(f"{argument}: the range begins after its end; write {{{last}..{first}}}")
    for number in range(first, last + 1):
        part = str(number).zfill(len(found[1]))
        yield from _without_ranges(argument[: found.start()] + part + argument[found.end() :])


def _files_here(path: str) -> Iterator[str]:
    if os.path.isdir(path):
        yield from _images_below(path, set())
    elif is_pattern(path):
        matches = sorted(glob.iglob(path, recursive=True))
        yield from (match for match in matches if os.path.isfile(match))
    elif os.path.exists(path):
        yield path
    else:
        raise InputError(f"there is no file or folder {path}")


def _images_below(folder: str, visited: set[tuple[int, int]]) -> Iterator[str]:
    """Yield the images in a folder and its folders, but in none that was visited by another name."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            return
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            found = sorted((entry.name, _is_folder(entry)) for entry in entries)
    except OSError as error:
        raise InputError(f"cannot look into the folder {folder}: {reason_of(error)}") from error
    for name, is_folder in found:
        path = os.path.join(folder, name)
        if is_folder and not is_hidden(name):
            yield from _images_below(path, visited)
        elif not is_folder and is_image_name(name):
            yield path


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _remote_files(address: str, lists: Path) -> Iterator[str]:
    if address.startswith(_WEB):
        found: Iterable[str] = [address]
    else:
        found = _found_by_fsspec(address)
    for file in found:
        if kind_of(file) == "list":  # ranges of its bytes are wanted again and again
            with opened(file) as content:
                yield _kept_list(content, lists)
        else:
            yield file


def _found_by_fsspec(address: str) -> Iterable[str]:
    """Return the files that an address names: itself, those of a pattern, the images of a folder."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
        if is_pattern(path):
            return map(system.unstrip_protocol, sorted(system.glob(path)))
        if system.isdir(path):
            found = (name for name in sorted(system.find(path)) if is_image_name(name))
            return map(system.unstrip_protocol, found)
    except Exception as error:  # each file system has its own
        raise InputError(f"cannot look at {in_short(address)} ({in_short(str(error))})") from error
    return [address]


def _kept_list(source: Any, lists: Path) -> str:
    """Return a list of our own with the lines of another."""
    path = _new_list(lists)
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        file.writelines(source)
    return str(path)


def _list_shards(path: str, options: InputOptions) -> Iterator[Shard]:
    size = file_bytes(path)
    start = stop = count = 0
    with opened(path) as file:
        for line in file:
            stop += len(line)
            count += not line.isspace()
            if count == options.shard_size:
                yield Shard("list", path, start, stop, count, size)
                start, count = stop, 0
    if count:
        yield Shard("list", path, start, stop, count, size)


def _tar_shards(path: str, options: InputOptions) -> Iterator[Shard]:
    yield Shard("tar", path, file_bytes=file_bytes(path))


def _parquet_shards(path: str, options: InputOptions) -> Iterator[Shard]:
    size = file_bytes(path)
    with opened(path) as source:
        file = open_parquet(source, path)
        column = image_column(file.schema_arrow.names, options.image_column, path)
        for start, stop in row_ranges(file, options.shard_size):
            yield Shard("parquet", path, start, stop, stop - start, size, column)


_CUTTERS = {"list": _list_shards, "tar": _tar_shards, "parquet": _parquet_shards}
