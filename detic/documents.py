"""Reading text, JSON, YAML and CSV that others wrote: as a whole, or refused in one message.

Documents nest, repeat and count without end if somebody wants them to. Here that ends in an
``InputError`` which names the file, like a missing file and one that holds something else.
"""

import csv
import gc
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import yaml

from detic.errors import InputError
from detic.files import open_to_read, reason_of

MAX_TEXT_BYTES = 2**28  # of text, YAML and lists of names, which people write
# What parsers of documents raise for contents that they cannot build
PARSE_ERRORS = (ValueError, TypeError, AttributeError, ArithmeticError)

_DAMAGED = "if a download or a tool was interrupted, delete the file and start it again"


def read_text(path: str | os.PathLike, *, if_missing: str = "") -> str:
    """Return a UTF-8 text file, without the byte-order mark that some editors write.

    Args:
        path: the file.
        if_missing: what to do where there is none, as the end of the message.

    Raises:
        InputError: it is missing, no file, not to be opened, too large or no UTF-8 text.
    """
    return _read(path, if_missing, MAX_TEXT_BYTES)


def read_json(path: str | os.PathLike, *, if_missing: str = "") -> dict | list:
    """Return the content of a JSON file.

    Args:
        path: the file.
        if_missing: as for ``read_text``.

    Raises:
        InputError: it is missing, no file, not to be opened, or no JSON.
    """
    return parse_json(_read(path, if_missing), path)


def parse_json(content: str, path: str | os.PathLike) -> Any:
    """Return the content of a JSON document.

    Args:
        content: the document.
        path: its file, for messages.

    Raises:
        InputError: it is no JSON.
    """
    with _as_document(path, "JSON"), collector_paused():
        return json.loads(content)


def parse_yaml(content: str, path: str | os.PathLike) -> Any:
    """Return the content of a YAML document, of plain values; its tags build nothing else.

    Args:
        content: the document.
        path: its file, for messages.

    Raises:
        InputError: it is no YAML, or has a tag for something that is no plain value.
    """
    with _as_document(path, "YAML"):
        try:
            return yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise InputError(f"{path} is not valid YAML: {error}") from error


def read_rows(path: str | os.PathLike, *, if_missing: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV table in UTF-8, each after the number of its line, from 1.

    Blank lines are passed over.

    Raises:
        InputError: it is missing, no file, not to be opened, or no table.
    """
    with _open(path, if_missing) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            for row in reader:
                if "".join(row).strip():
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
        except csv.Error as error:
            raise InputError(
                f"{path}, line {reader.line_num}: no row of a table: {error}"
            ) from error


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector while millions of objects are made, none of which is garbage.

    Reading a file of a million annotations takes half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _as_document(path: str | os.PathLike, kind: str) -> Iterator[None]:
    """Turn what a parser raises into one message."""
    try:
        yield
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"{path} is not valid {kind}: it nests too deeply") from error
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than there is") from error
    except PARSE_ERRORS as error:
        raise InputError(f"{path} is not valid {kind} ({error}); {_DAMAGED}") from error


def _open(path: str | os.PathLike, if_missing: str) -> BinaryIO:
    try:
        return open_to_read(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} not found{if_missing and '; '}{if_missing}") from error


def _read(path: str | os.PathLike, if_missing: str, max_bytes: int | None = None) -> str:
    with _open(path, if_missing) as file, io.TextIOWrapper(file, "utf-8-sig") as text:
        num_bytes = os.fstat(file.fileno()).st_size
        if max_bytes is not None and num_bytes > max_bytes:
            raise InputError(f"{path} has {num_bytes} bytes; at most {max_bytes} are read")
        try:
            return text.read()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
        except MemoryError as error:
            raise InputError(f"{path} needs more memory than there is") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read: {reason_of(error)}") from error
