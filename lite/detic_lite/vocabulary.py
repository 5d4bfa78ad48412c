"""Vocabularies, as people write them.

Shapes: C classes, P texts of all classes, D embedding width.
"""

import json
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detic_lite.errors import InputError, first_line

_UNPRINTABLE = {"Cc", "Cs"}  # controls, halves of characters


@dataclass(frozen=True)
class ClassEntry:
    """One class; the fields are those of ``detic.vocabulary`` that need a text encoder at most."""

    name: str  # shown in results and, unless prompts say otherwise, embedded
    synonyms: tuple[str, ...] = ()  # further names, embedded along with the name and averaged
    prompts: tuple[str, ...] | None = None  # texts in place of the detector's prompt
    negative: bool = False  # competes for objects, but is never reported
    score_threshold: float | None = None  # in place of the common one
    color: tuple[int, int, int] | None = None  # RGB of its drawings, in place of an automatic one

    def texts(self, prompt: str) -> list[str]:
        """Return what is embedded for the class, each text once.

        Args:
            prompt: of the detector, with {} for the name.

        >>> ClassEntry("cup", synonyms=("mug",)).texts("a {}")
        ['a cup', 'a mug']
        """
        prompts = (prompt,) if self.prompts is None else self.prompts
        names = (self.name, *self.synonyms)
        return list(dict.fromkeys(p.replace("{}", name) for p in prompts for name in names))


def read_vocabulary(path: Path) -> list[ClassEntry]:
    """Return the classes of a file.

    Args:
        path: ``.txt`` with a name on each line and comments after ``#``; or ``.json``, ``.yaml`` or
            ``.yml`` with a list of names or of mappings with the fields of ``ClassEntry``.

    Raises:
        InputError: there is no such file, or one of its entries is not as described.
    """
    if path.suffix not in _READERS:
        raise InputError(
            f"{path}: a vocabulary file is a .txt, .json or .yaml of class names, or a .safetensors of "
            "embeddings"
        )
    if not path.is_file():
        raise InputError(f"there is no vocabulary file {path}")
    try:
        items = _READERS[path.suffix](path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8") from error
    except ImportError as error:
        raise InputError(
            f"{path} needs the package PyYAML; install it with `pip install pyyaml`, or write a .json file"
        ) from error
    except Exception as error:  # PyYAML has errors of its own
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    if not isinstance(items, list):
        raise InputError(f"{path}: expected a list of names or of mappings such as {{name: cat}}")
    entries = [_entry(item, f"{path}, entry {i}") for i, item in enumerate(items, start=1)]
    check_names([entry.name for entry in entries], os.fspath(path))
    return entries


def check_names(names: Sequence[str], where: str) -> list[str]:
    """Return class names without the space around them.

    Raises:
        InputError: there is none, or one is empty, repeated or unprintable.
    """
    if not names:
        raise InputError(f"{where}: name at least one class")
    for position, name in enumerate(names, start=1):
        if not isinstance(name, str):
            raise InputError(f"{where}: name {position} is {name!r}; expected a text")
    trimmed = [name.strip() for name in names]
    known: set[str] = set()
    for position, name in enumerate(trimmed, start=1):
        if not name:
            raise InputError(f"{where}: name {position} is empty; fill it in or remove it")
        if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
            raise InputError(f"{where}: {name!r} has an unprintable character; remove it")
        if name in known:
            raise InputError(f"{where}: '{name}' is there twice; remove one")
        known.add(name)
    return trimmed


def merge_texts(embeddings: np.ndarray, texts_per_class: Sequence[int]) -> np.ndarray:
    """Return a vector for each class (C, D): that of its only text, or the mean of unit vectors.

    Args:
        embeddings: (P, D) float32, of the texts of the first class, then of the second...
        texts_per_class: C counts, P in sum.
    """
    ends = np.cumsum(texts_per_class)
    groups = np.split(embeddings, ends[:-1])
    return np.stack([group[0] if len(group) == 1 else _mean_of_units(group) for group in groups])


def _mean_of_units(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)


def _lines(text: str) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def _yaml(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


_READERS: dict[str, Callable[[str], Any]] = {
    ".txt": _lines,
    ".json": json.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}


def _entry(item: object, where: str) -> ClassEntry:
    if isinstance(item, str):
        return ClassEntry(item.strip())
    if not isinstance(item, dict) or "name" not in item:
        raise InputError(f"{where}: expected a name (in quotes if it is a number) or {{name: cat}}")
    for field in item:
        if field not in _FIELDS:
            raise InputError(
                f"{where}: there is no field {field!r} without torch; {', '.join(_FIELDS)} are"
            )
    values: dict[str, Any] = {}
    for field, value in item.items():
        is_valid, expected = _FIELDS[field]
        if not is_valid(value):
            raise InputError(f"{where}: '{field}' is {value!r}; expected {expected}")
        values[field] = _read(value)
    return ClassEntry(**values)


def _read(value: Any) -> Any:
    """Return a valid value of a file as fields have it: texts without the space around them."""
    if isinstance(value, str):
        return value.strip()
    return tuple(map(_read, value)) if isinstance(value, list) else value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_rgb(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    return all(type(part) is int and 0 <= part <= 255 for part in value)


_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_text, "a text"),
    "synonyms": (_is_texts, "a list of texts"),
    "prompts": (_is_texts, "a list of texts, such as ['a photo of a {}']"),
    "negative": (lambda value: isinstance(value, bool), "true or false"),
    "score_threshold": (_is_score, "a number from 0 to 1"),
    "color": (_is_rgb, "red, green and blue from 0 to 255, such as [255, 128, 0]"),
}
