"""What was found out about images once, kept in a json file beside them."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from detic.documents import read_json
from detic.errors import InputError
from detic.files import fingerprint, write_json
from detic.images import IMAGE_ERRORS, read_image_size
from detic.progress import counter

logger = logging.getLogger(__name__)

VERSION = 2  # rises when the content of the file changes its meaning
CHUNK = 10_000  # images between two thoughts of saving
SAVED_SHARE = 10  # a file is saved again after a tenth more
INDEX_NAME = ".picture_sizes.json"  # in the folder of the images
NUM_THREADS = 16  # most of the time they wait for the disk

SizeHW = tuple[int, int]
Entry = list[int]  # height and width, then the fingerprint of the file


def read_remembered(path: Path, is_entry: Callable[[Any], bool]) -> dict[str, Any]:
    """Return what ``write_remembered`` wrote; nothing if there is no such file or it is damaged.

    Args:
        path: the file.
        is_entry: tells whether a value is of the form that was written.
    """
    if not os.path.lexists(path):
        return {}
    try:
        content: Any = read_json(path)
    except InputError as error:
        logger.warning("looking at all images again: %s", error)
        return {}
    is_ours = isinstance(content, dict) and content.get("version") == VERSION
    entries = content.get("entries") if is_ours else None
    if not isinstance(entries, dict) or not all(map(is_entry, entries.values())):
        logger.warning("looking at all images again: %s was not written by this program", path)
        return {}
    return entries


def write_remembered(path: Path, entries: dict[str, Any]) -> None:
    """Write entries by name; a folder that cannot be written is left alone."""
    try:
        write_json(path, {"version": VERSION, "entries": entries})
    except InputError as error:
        logger.warning(
            "the sizes of images are not remembered, so the next start takes as long: %s; make its "
            "folder writable or name another index_file",
            error,
        )


def is_worth_saving(num_new: int, num_saved: int) -> bool:
    """Return whether to save, so that an interrupted run loses little and saving stays cheap.

    The whole file is written each time; that is done after each tenth more of what it holds.
    """
    return num_new * SAVED_SHARE >= num_saved and num_new > 0


def image_sizes(
    root: Path, names: Sequence[str], index_file: Path, workers: int = NUM_THREADS
) -> dict[str, SizeHW]:
    """Return (height, width) of images by name, without those that cannot be read.

    Headers are read once, and again after an image has changed.

    Args:
        root: folder that the names are relative to.
        names: of the images.
        index_file: where sizes are remembered, with the fingerprints of the files.
        workers: images that are looked at at the same time.
    """
    known = read_remembered(index_file, _is_entry)
    num_new = 0
    bar = counter(f"sizes of {root.name}", total=len(names), unit="image")
    with bar, ThreadPoolExecutor(workers) as pool:
        for chunk in _chunks(names, CHUNK):
            found = pool.map(_entry, (root / name for name in chunk), map(known.get, chunk))
            for name, entry in zip(chunk, found, strict=True):
                bar.update()
                num_new += _remember(known, name, entry)
            if is_worth_saving(num_new, len(known)):
                write_remembered(index_file, known)
                num_new = 0
    if num_new:
        write_remembered(index_file, known)
    return {name: tuple(known[name][:2]) for name in names if name in known}


def read_image_sizes(
    folder: str | os.PathLike, names: Sequence[str], workers: int = 8
) -> list[tuple[int, int] | None]:
    """Return the (height, width) of each image, None for those that cannot be opened.

    Sizes are those after turning an image as its EXIF data ask. They are remembered in the folder,
    so that an interrupted run goes on where it was.

    Args:
        folder: where the images are.
        names: their paths below it.
        workers: images that are opened at the same time.
    """
    folder = Path(folder)
    known = image_sizes(folder, names, folder / INDEX_NAME, workers)
    sizes = [known.get(name) for name in names]
    num_damaged = sizes.count(None)
    if num_damaged:
        logger.warning("left out %d of %d images that cannot be opened", num_damaged, len(names))
    return sizes


def _is_entry(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(type(n) is int for n in value)


def _entry(path: Path, known: Entry | None) -> Entry | None:
    """Return what to remember of an image; None if it cannot be read."""
    try:
        file = fingerprint(path)
        if known is not None and known[2:] == file:
            return known
        return [*read_image_size(path), *file]
    except IMAGE_ERRORS as error:
        logger.warning("%s cannot be read: %s", path, error)
        return None


def _remember(known: dict[str, Entry], name: str, entry: Entry | None) -> bool:
    """Put an entry among the known ones; return whether that changed them."""
    if known.get(name) == entry:
        return False
    if entry is None:
        del known[name]
    else:
        known[name] = entry
    return True


def _chunks(items: Sequence, size: int) -> Iterable[Sequence]:
    return (items[start : start + size] for start in range(0, len(items), size))
