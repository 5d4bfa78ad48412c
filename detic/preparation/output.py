"""Naming and writing what the preparation programs make."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from detic.files import unfinished_text
from detic.progress import counter

CHUNK = 10_000  # records that are encoded together; one by one takes several times as long
SEPARATORS = (",", ":")


def marked(path: str | os.PathLike, mark: str) -> Path:
    """Return a path with a mark in front of ``.json``.

    >>> str(marked("lvis/lvis_v1_train.json", "_norare"))
    'lvis/lvis_v1_train_norare.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name.removesuffix('.json')}{mark}.json")


def save(path: str | os.PathLike, document: dict) -> str:
    """Write an annotation file, with a progress bar, and return a sentence on what is in it."""
    total = sum(len(value) for value in document.values() if isinstance(value, list))
    bar = counter(Path(path).name, total=total, unit="record", scale=True)
    with bar, unfinished_text(path) as file:
        for text, num_records in encoded(document):
            file.write(text)
            bar.update(num_records)
    counts = ", ".join(
        f"{len(document[section])} {section}"
        for section in ("images", "annotations", "categories")
        if section in document
    )
    return f"wrote {path}: {counts}"


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
