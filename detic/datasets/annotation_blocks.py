"""Annotation files read in blocks of records, so that a large one need not be in memory whole.

The file is cut between records of its lists. That a cut is between records is not known before the
block is parsed: a block is a list of whole records exactly if it is valid JSON in brackets. Files
that are written in an unusual way are not understood; ``annotation_file`` reads them as a whole, and
knows what is wrong with those that are damaged.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, Protocol

BLOCK = 2**23  # bytes that are parsed at once
LONGEST_VALUE = 2**22  # bytes of what is passed over
MAX_TRIES = 20  # cuts of a block, before the file is taken as unusual
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_SPACE = rb"[ \t\n\r]*"
_KEY = re.compile(_SPACE + rb'"([^"\\]*)"' + _SPACE + rb":" + _SPACE)
_BETWEEN_RECORDS = re.compile(rb"\}" + _SPACE + rb"," + _SPACE + rb"\{")
_AFTER_RECORDS = re.compile(rb"\}" + _SPACE + rb"\]")
_NOTHING = re.compile(_SPACE)

Parse = Callable[[bytes], Any]


class UnusualFile(ValueError):
    """A file that cannot be read in blocks: damaged, or written in an unusual way."""


class ReadableFile(Protocol):
    """What is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes: ...


def record_blocks(file: ReadableFile, sections: Collection[str]) -> Iterator[tuple[str, list]]:
    """Yield blocks of the records of an annotation file, each with the name of its list.

    Args:
        file: read to its end.
        sections: the lists that are wanted; an empty one gives one empty block.

    Raises:
        UnusualFile: it cannot be read like this.
        ValueError: the parser does not understand a block.
    """
    window, parse, seen = _Window(file), _fast_parser(), set()
    window.open("{")
    while True:
        key = window.key()
        if key in seen:
            raise UnusualFile(f"{key!r} is there twice")
        seen.add(key)
        if key in sections:
            window.open("[")
            yield from ((key, block) for block in _blocks(window, parse))
        else:
            parse(window.value())
        if window.separator() == "}":
            break
    window.end()


def _blocks(window: "_Window", parse: Parse) -> Iterator[list]:
    """Yield the records of a list, from behind its opening to behind its closing bracket."""
    if window.skip("]"):
        yield []
        return
    is_open = True
    while is_open:
        content = window.ahead(BLOCK)
        records, size, is_open = _longest_block(content, parse)
        window.move(size)
        yield records


def _longest_block(content: bytes, parse: Parse) -> tuple[list, int, bool]:
    """Return the records that content begins with, their size, and whether more follow in the list.

    The size includes what follows the records: a comma or the closing bracket.
    """
    for found in islice(_AFTER_RECORDS.finditer(content), MAX_TRIES):
        records = _parsed(content[: found.start() + 1], parse)
        if records is not None:
            return records, found.end(), False
    for found in islice(_cuts_from_the_end(content), MAX_TRIES):
        records = _parsed(content[: found.start() + 1], parse)
        if records is not None:
            return records, found.end() - 1, True
    raise UnusualFile("no end of a record was found")


def _cuts_from_the_end(content: bytes) -> Iterator[re.Match]:
    place = len(content)
    while (place := content.rfind(b"}", 0, place)) >= 0:
        if found := _BETWEEN_RECORDS.match(content, place):
            yield found


def _parsed(records: bytes, parse: Parse) -> list | None:
    try:
        return parse(b"[" + records + b"]")
    except ValueError:
        return None


def _fast_parser() -> Parse:
    """Return the fastest parser of JSON that is installed; it refuses NaN and infinity."""
    try:
        from orjson import loads
    except ImportError:
        return lambda content: json.loads(content.decode(), parse_constant=_refuse)
    return loads


def _refuse(name: str) -> None:
    raise UnusualFile(f"{name} is no number")


class _Window:
    """The part of a file that is being read."""

    def __init__(self, file: ReadableFile):
        self._file = file
        self._content = file.read(len(BYTE_ORDER_MARK))
        self._place = len(BYTE_ORDER_MARK) * (self._content == BYTE_ORDER_MARK)

    def ahead(self, size: int) -> bytes:
        """Return what follows, so many bytes unless the file ends before."""
        missing = size - (len(self._content) - self._place)
        if self._place or missing > 0:
            self._content = self._content[self._place :] + self._file.read(max(missing, 0))
            self._place = 0
        return self._content

    def move(self, size: int) -> None:
        self._place += size

    def skip(self, sign: str) -> bool:
        """Pass over white space and a sign; return whether it is there."""
        content = self.ahead(LONGEST_VALUE)
        space = _NOTHING.match(content)
        end = space.end() if space else 0
        is_there = content[end : end + 1] == sign.encode()
        self.move(end + is_there)
        return is_there

    def open(self, bracket: str) -> None:
        if not self.skip(bracket):
            raise UnusualFile(f"{bracket!r} is missing")

    def key(self) -> str:
        """Pass over a key and its colon, and return it."""
        found = _KEY.match(self.ahead(LONGEST_VALUE))
        if found is None:
            raise UnusualFile("a key is missing")
        self.move(found.end())
        return found[1].decode()

    def value(self) -> bytes:
        """Pass over a value, and return it as it is written."""
        content = self.ahead(LONGEST_VALUE)[:LONGEST_VALUE]
        # In Latin 1 a character is a byte, and the signs of JSON are the same as in UTF-8.
        _, end = json.JSONDecoder().raw_decode(content.decode("latin-1"))
        self.move(end)
        return content[:end]

    def separator(self) -> str:
        """Pass over the comma or the brace after a value, and return it."""
        for sign in ",}":
            if self.skip(sign):
                return sign
        raise UnusualFile("a comma is missing")

    def end(self) -> None:
        """Check that nothing follows."""
        if self.ahead(BLOCK).strip(b" \t\n\r") or self._file.read(1):
            raise UnusualFile("something follows the content")
