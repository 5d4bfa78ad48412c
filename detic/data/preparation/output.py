"""Naming and writing what the preparation programs make."""

import os
from pathlib import Path

from detic.files import write_json


def marked(path: str | os.PathLike, mark: str) -> Path:
    """Return a path with a mark in front of ``.json``.

    >>> str(marked("lvis/lvis_v1_train.json", "_norare"))
    'lvis/lvis_v1_train_norare.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name.removesuffix('.json')}{mark}.json")


def save(path: str | os.PathLike, document: dict) -> str:
    """Write an annotation file and return a sentence on what is in it."""
    write_json(path, document)
    counts = ", ".join(
        f"{len(document[section])} {section}"
        for section in ("images", "annotations", "categories")
        if section in document
    )
    return f"wrote {path}: {counts}"
