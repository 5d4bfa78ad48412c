"""Which images are missing, found out without opening any."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from detic.files import kind_of
from detic.loading.image_reader import UnreadableImage

MIN_LISTED = 100  # images of a folder from which on listing it is faster than asking for each


def missing_images(records: Iterable[dict]) -> list[UnreadableImage]:
    """Return the images of records that are no files, with the reason for each.

    Images in tar files and those at addresses are passed over.
    """
    names_in: dict[str, list[str]] = defaultdict(list)
    for record in records:
        path = record.get("file_name")
        if path is not None and "://" not in path:
            folder, name = os.path.split(path)
            names_in[folder].append(name)
    return [failure for folder, names in names_in.items() for failure in _missing_in(folder, names)]


def _missing_in(folder: str, names: Sequence[str]) -> Iterator[UnreadableImage]:
    there = _files_of(folder) if len(names) >= MIN_LISTED else frozenset()
    for name in names:
        path = os.path.join(folder, name)
        if name not in there and (problem := _problem(path)):
            yield UnreadableImage(path, problem)


def _files_of(folder: str) -> frozenset[str]:
    """Return the names of the files in a folder; none if it cannot be listed."""
    try:
        with os.scandir(folder or ".") as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()


def _problem(path: str) -> str | None:
    """Return why a path leads to no file; None if it does."""
    try:
        kind = kind_of(os.stat(path).st_mode)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero character
        return f"{type(error).__name__}: {error}"
    return None if kind == "file" else f"it is a {kind}, not a file"
