"""Class names that mean the same, and class lists joined into one."""

import unicodedata
from collections.abc import Iterable
from dataclasses import fields

from detic.vocabulary.vocabulary import ClassEntry, Vocabulary


def composed(name: str) -> str:
    """Return a name in Unicode's normal form C: file systems and editors write accents in two ways.

    >>> composed("Gro\\u0308ße") == "Größe"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def loose_name(name: str) -> str:
    """Return a class name without what people write differently: capitals, underscores, spaces.

    >>> loose_name("Traffic_light ")
    'traffic light'
    """
    return composed(" ".join(composed(name).replace("_", " ").split()).casefold())


def join_vocabularies(vocabularies: Iterable[Vocabulary]) -> Vocabulary:
    """Return all classes of several lists, each once, in the order of their first appearance.

    Of classes whose names differ in capitals, underscores and spaces only, the first is taken.
    The result has no embeddings.
    """
    entries: dict[str, ClassEntry] = {}
    for vocabulary in vocabularies:
        for entry in vocabulary.entries:
            entries.setdefault(loose_name(entry.name), entry)
    return Vocabulary(tuple(entries.values()))


def as_file_items(vocabulary: Vocabulary) -> list[str | dict]:
    """Return the classes as a vocabulary file in json lists them: names, or mappings of fields."""
    return [_as_item(entry) for entry in vocabulary.entries]


def _as_item(entry: ClassEntry) -> str | dict:
    given = {
        field.name: getattr(entry, field.name)
        for field in fields(ClassEntry)
        if getattr(entry, field.name) != field.default
    }
    if entry.examples:
        given["examples"] = [
            {"image": e.image} | ({} if e.box is None else {"box": e.box}) for e in entry.examples
        ]
    return entry.name if set(given) == {"name"} else given
