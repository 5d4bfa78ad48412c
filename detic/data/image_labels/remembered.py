"""What was found out about pictures once, kept in a json file beside them."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from detic.data.annotation_file import read_json
from detic.data.picture_size import PICTURE_ERRORS, picture_size_hw
from detic.errors import InputError
from detic.files import write_json

logger = logging.getLogger(__name__)

VERSION = 1  # rises when the content of the file changes its meaning
SAVE_PERIOD = 100_000  # pictures
NUM_THREADS = 16  # most of the time they wait for the disk

SizeHW = tuple[int, int]


def read_remembered(path: Path) -> dict[str, Any]:
    """Return what ``write_remembered`` wrote; nothing if there is no such file or it is damaged."""
    if not path.exists():
        return {}
    try:
        content = read_json(path)
    except InputError as error:
        logger.warning("looking at all pictures again: %s", error)
        return {}
    if not isinstance(content, dict) or content.get("version") != VERSION:
        logger.warning("looking at all pictures again: %s was not written by this program", path)
        return {}
    return content["entries"]


def write_remembered(path: Path, entries: dict[str, Any]) -> None:
    """Write entries by name; a folder that cannot be written is left alone."""
    try:
        write_json(path, {"version": VERSION, "entries": entries})
    except OSError as error:
        logger.warning(
            "the sizes of pictures are not remembered, so the next start takes as long: cannot "
            "write %s (%s); name a writable index_file",
            path,
            error,
        )


def picture_sizes(root: Path, names: Sequence[str], index_file: Path) -> dict[str, SizeHW]:
    """Return (height, width) of pictures by name, without those that cannot be read.

    Headers are read once; after a picture was replaced by one of another size, delete the index.

    Args:
        root: folder that the names are relative to.
        names: of the pictures.
        index_file: where sizes are remembered.
    """
    known = read_remembered(index_file)
    sizes = {name: tuple(known[name]) for name in names if name in known}
    unknown = [name for name in names if name not in sizes]
    bar = tqdm(total=len(unknown), desc=f"sizes of {root.name}", unit="picture", disable=None)
    with bar, ThreadPoolExecutor(NUM_THREADS) as pool:
        for chunk in _chunks(unknown, SAVE_PERIOD):
            for name, size in zip(
                chunk, pool.map(_size_of, (root / n for n in chunk)), strict=True
            ):
                bar.update()
                if size is not None:
                    sizes[name] = size
            write_remembered(index_file, sizes)
    return sizes


def _size_of(path: Path) -> SizeHW | None:
    try:
        with open(path, "rb") as file:
            return picture_size_hw(file)
    except PICTURE_ERRORS as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None


def _chunks(items: Sequence, size: int) -> Iterable[Sequence]:
    return (items[start : start + size] for start in range(0, len(items), size))
