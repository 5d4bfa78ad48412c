"""Reading vocabularies that people write: YAML, JSON or plain text."""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from detic.documents import parse_json, read_text
from detic.errors import InputError, shown, unknown_choice
from detic.paths import at_home, find_file, looked_for
from detic.vocabulary.vocabulary import (
    BoxXYXY,
    ClassEntry,
    ClassExample,
    Vocabulary,
    check_names,
    check_text,
)
from detic.yaml_files import parse_yaml


def read_vocabulary_file(path: str | os.PathLike) -> Vocabulary:
    """Return the vocabulary that a file describes.

    Args:
        path: ``.txt`` with one name a line and ``#`` comments; or ``.yaml``, ``.yml`` or ``.json``
            with a list whose items are names or mappings with the fields of ``ClassEntry``; a
            ``parent`` is the name of another class of the file, paths of ``examples`` start from
            its folder.

    Raises:
        InputError: the file or one of its entries is not as described; the message names both.
    """
    path = Path(path)
    if path.suffix not in LIST_READERS:
        raise unknown_choice("vocabulary file format", path.suffix or path.name, LIST_READERS)
    text = read_text(find_file(path), if_missing=looked_for(path))
    return vocabulary_of_items(parse_items(text, path), path)


def parse_items(text: str, path: Path) -> list:
    """Return the items of a vocabulary file, unchecked.

    Args:
        text: its content.
        path: names it in messages; the suffix, a key of ``LIST_READERS``, tells its format.

    Raises:
        InputError: it is not of this format, or is no list.
    """
    return LIST_READERS[path.suffix](text, path)


def vocabulary_of_items(items: Sequence, path: Path) -> Vocabulary:
    """Return the vocabulary of names and mappings.

    Args:
        path: names their file in messages.

    Raises:
        InputError: there are none, or one is not as ``read_vocabulary_file`` describes it.
    """
    entries = tuple(
        _beside(_entry(item, f"{path}, entry {position}"), path)
        for position, item in enumerate(items, start=1)
    )
    if not entries:
        raise InputError(f"{path} names no class; write at least one")
    check_names([entry.name for entry in entries], str(path))
    _check_parents(entries, path)
    return Vocabulary(entries)


def _text_lines(text: str, path: Path) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def _yaml_list(text: str, path: Path) -> list:
    return _as_list(parse_yaml(text, str(path)), path)


def _json_list(text: str, path: Path) -> list:
    return _as_list(parse_json(text, path), path)


def _as_list(document: object, path: Path) -> list:
    if not isinstance(document, list):
        raise InputError(
            f"{path} holds {_describe(document)}; expected a list of names or of mappings such as "
            "{name: cat, synonyms: [kitty]}"
        )
    return document


LIST_READERS: dict[str, Callable[[str, Path], list]] = {
    ".txt": _text_lines,
    ".yaml": _yaml_list,
    ".yml": _yaml_list,
    ".json": _json_list,
}


def _entry(item: object, where: str) -> ClassEntry:
    if isinstance(item, str):
        return ClassEntry(name=_text(item))
    if not isinstance(item, dict):
        raise InputError(
            f"{where} is {_describe(item)}; expected a name (quote it if it looks like a number "
            "or like yes and no) or a mapping with a name"
        )
    if "name" not in item:
        raise InputError(f"{where} has no name; add one, as in {{name: cat}}")
    return ClassEntry(**{field: _field(field, item[field], where) for field in item})


def _beside(entry: ClassEntry, path: Path) -> ClassEntry:
    """Return a class whose examples are named as they are found from the working directory."""
    if not entry.examples:
        return entry
    folder = find_file(path).parent
    examples = tuple(replace(e, image=str(folder / at_home(e.image))) for e in entry.examples)
    return replace(entry, examples=examples)


def _field(field: str, value: Any, where: str) -> Any:
    if field not in FIELD_READERS:
        given = field if isinstance(field, str) else shown(field)
        raise unknown_choice("field", given, FIELD_READERS, where=where)
    reader, expected = FIELD_READERS[field]
    try:
        read = reader(value)
    except (TypeError, ValueError, OverflowError):
        message = f"{where}: '{field}' is {_describe(value)}; expected {expected}"
        raise InputError(message) from None
    for text in read if isinstance(read, tuple) else (read,):
        if isinstance(text, str):
            check_text(text, f"{where}: '{field}'")
    return read


def _describe(value: object) -> str:
    return f"{type(value).__name__} {shown(value)}" if value is not None else "nothing"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError
    texts = tuple(map(_text, value))
    if not all(texts):
        raise ValueError
    return texts


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _score(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _rgb(value: Sequence[int]) -> tuple[int, int, int]:
    red, green, blue = value
    if not all(type(part) is int and 0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError
    return red, green, blue


def _examples(value: object) -> tuple[ClassExample, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError
    return tuple(map(_example, value))


def _example(value: object) -> ClassExample:
    if isinstance(value, str):
        value = {"image": value}
    if not isinstance(value, dict) or set(value) - {"image", "box"}:
        raise TypeError
    image = _text(value.get("image"))
    if not image:
        raise ValueError
    return ClassExample(image, _box(value["box"]) if "box" in value else None)


def _box(value: Sequence[float]) -> BoxXYXY:
    x0, y0, x1, y1 = value
    if not all(type(x) in (int, float) and math.isfinite(x) for x in (x0, y0, x1, y1)):
        raise ValueError
    return float(x0), float(y0), float(x1), float(y1)


FIELD_READERS: dict[str, tuple[Callable[[Any], object], str]] = {
    "name": (_text, "a text; quote it if it looks like a number or like yes and no"),
    "synonyms": (_texts, "a list of texts"),
    "prompts": (_texts, "a list of texts, such as ['a photo of a {}']"),
    "parent": (_text, "the name of another class of the file"),
    "negative": (_flag, "true or false"),
    "score_threshold": (_score, "a number from 0 to 1"),
    "color": (_rgb, "red, green and blue from 0 to 255, such as [255, 128, 0]"),
    "examples": (
        _examples,
        "a list of images that show the class, or of mappings such as {image: a.jpg, box: [x0, y0, x1, "
        "y1]} in pixels",
    ),
}


def _check_parents(entries: Sequence[ClassEntry], path: Path):
    parents = {entry.name: entry.parent for entry in entries}
    in_circles = _names_in_circles(parents)
    for position, entry in enumerate(entries, start=1):
        where = f"{path}, entry {position} ('{entry.name}')"
        if entry.parent is not None and entry.parent not in parents:
            raise unknown_choice("parent", entry.parent, parents, where=where)
        if entry.name in in_circles:
            raise InputError(f"{where} is its own ancestor; break the circle of parents")


def _names_in_circles(parents: Mapping[str, str | None]) -> set[str]:
    """Return the names that are their own ancestors; each name is passed twice at most.

    >>> sorted(_names_in_circles({"a": "b", "b": "c", "c": "b", "d": None}))
    ['b', 'c']
    """
    first_walks: dict[str, str] = {}  # by name, the start of the first walk that came by
    in_circles: set[str] = set()
    for start in parents:
        name: str | None = start
        while name is not None and name not in first_walks:
            first_walks[name] = start
            name = parents.get(name)
        while name is not None and first_walks[name] == start and name not in in_circles:
            in_circles.add(name)
            name = parents[name]
    return in_circles
