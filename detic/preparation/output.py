"""Naming and writing what the preparation programs make."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from detic.errors import InputError
from detic.files import check_place, refuse_existing, unfinished_text
from detic.progress import counter

CHUNK = 10_000  # records that are encoded together; one by one takes several times as long
SEPARATORS = (",", ":")


def marked(path: str | os.PathLike, mark: str) -> Path:
    """Return a path with a mark in front of ``.json``.

    >>> str(marked("lvis/lvis_v1_train.json", "_norare"))
    'lvis/lvis_v1_train_norare.json'

    Raises:
        InputError: the path names no file, or the mark another folder.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"{path} is a folder; name an annotation file")
    if "/" in mark:
        raise InputError(f"a mark becomes part of a file's name; {mark[1:]!r} names a folder")
    return path.with_name(f"{path.name.removesuffix('.json')}{mark}.json")


def free_place(path: str | os.PathLike, overwrite: bool) -> Path:
    """Return ``path`` if a file may be written there; called before anything is computed.

    Raises:
        InputError: a folder stands there, or a file that may not be replaced.
    """
    path = Path(path)
    check_place(path)
    refuse_existing(path, overwrite)
    return path


def save(path: str | os.PathLike, document: dict) -> str:
    """Write an annotation file, with a progress bar, and return a sentence on what is in it."""
    total = sum(len(value) for value in document.values() if isinstance(value, list))
    bar = counter(Path(path).name, total=total, unit="record", scale=True)
    with bar, unfinished_text(path) as file:
        for text, num_records in encoded(document):
            file.write(text)
            bar.update(num_records)
    return f"wrote {path}: {_counts(document)}"


def _counts(document: dict) -> str:
    """Return how many images, annotations, image labels and categories a document has."""
    counts = {
        section: len(document[section])
        for section in ("images", "annotations", "categories")
        if section in document
    }
    num_labels = sum(len(image.get("pos_category_ids", ())) for image in document["images"])
    return in_words(counts | {"image labels": num_labels})


def in_words(counts: Mapping[str, int]) -> str:
    """Return counts as a text; one of annotations and of image labels is left out if it is 0.

    >>> in_words({"images": 60, "annotations": 0, "image labels": 61})
    '60 images, 61 image labels'
    """
    labels, annotations = counts.get("image labels", 0), counts.get("annotations", 0)
    idle = "image labels" if not labels else ("annotations" if not annotations else "")
    return ", ".join(f"{count} {what}" for what, count in counts.items() if what != idle)


def encoded(document: dict) -> Iterator[tuple[str, int]]:
    """Yield the json of a document piece by piece, each with the number of records in it."""
    yield "{", 0
    for position, (key, value) in enumerate(document.items()):
        yield f"{',' if position else ''}{json.dumps(key)}:", 0
        yield from _encoded_list(value) if isinstance(value, list) else [(_dumps(value), 0)]
    yield "}", 0


def _encoded_list(records: list) -> Iterator[tuple[str, int]]:
    yield "[", 0
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        yield ("," if start else "") + _dumps(chunk)[1:-1], len(chunk)
    yield "]", 0


def _dumps(value: object) -> str:
    return json.dumps(value, separators=SEPARATORS)
