"""Files and folders that appear under their names when they are complete.

They are made beside their place, under a hidden name, and renamed at the end. After an exception
nothing is left, and what was there before stays as it was. Missing parent folders are made.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def unfinished_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path with the suffix of ``path``; its file is renamed at the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{uuid4().hex}{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def unfinished_text(path: str | os.PathLike) -> Iterator[IO[str]]:
    """Yield an open UTF-8 text file that appears under ``path`` at the end."""
    with (
        unfinished_path(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


@contextmanager
def unfinished_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder of the name of ``path``, where no folder may be at the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        unfinished = Path(scratch) / path.name
        unfinished.mkdir()
        yield unfinished
        unfinished.rename(path)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write a whole file."""
    with unfinished_path(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Write a whole UTF-8 text file."""
    write_bytes(path, content.encode())


def write_json(path: str | os.PathLike, content: dict | list) -> None:
    """Write a JSON file without spaces."""
    # json.dump would encode piece by piece in Python, several times slower.
    write_text(path, json.dumps(content, separators=(",", ":")))


def is_hidden(path: str) -> bool:
    """Return whether a path is that of a hidden file, whose name begins with a dot."""
    return path.rpartition("/")[2].startswith(".")


def fingerprint(path: str | os.PathLike) -> list[int]:
    """Return what changes when a file does: its size in bytes and its time in nanoseconds.

    Compare for equality: a file that was moved into another's place may be older than it.
    """
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]
