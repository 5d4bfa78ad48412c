"""Lists and dictionaries that are read from a file when they are first looked into.

They let datasets be registered with their class names without opening a file.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property


class LazyList(Sequence):
    """A read-only list made by ``read()`` when first needed; equal to a list with its elements."""

    __hash__ = None

    def __init__(self, read: Callable[[], list]):
        self._read = read

    @cached_property
    def _elements(self) -> list:
        return self._read()

    def __getitem__(self, index):
        return self._elements[index]

    def __len__(self) -> int:
        return len(self._elements)

    def __eq__(self, other: object) -> bool:
        return self._elements == (other._elements if isinstance(other, LazyList) else other)

    def __repr__(self) -> str:
        return repr(self._elements)


class LazyDict(Mapping):
    """A read-only dictionary made by ``read()`` when first needed; equal to one with its items."""

    def __init__(self, read: Callable[[], dict]):
        self._read = read

    @cached_property
    def _items(self) -> dict:
        return self._read()

    def __getitem__(self, key: Hashable):
        return self._items[key]

    def __iter__(self) -> Iterator:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)
