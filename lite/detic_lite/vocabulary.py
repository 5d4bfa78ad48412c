"""Class names, as people write them."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from detic_lite.errors import InputError

_UNPRINTABLE = {"Cc", "Cs"}  # controls, halves of characters


def read_names(path: Path) -> list[str]:
    """Return the class names of a text file, one a line; ``#`` begins a comment.

    Raises:
        InputError: there is no such file, or it is no text.
    """
    if path.suffix != ".txt":
        raise InputError(
            f"{path}: a vocabulary file is a .txt of class names or a .safetensors of embeddings"
        )
    if not path.is_file():
        raise InputError(f"there is no vocabulary file {path}")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8") from error
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return check_names([line for line in lines if line], os.fspath(path))


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
    for position, name in enumerate(trimmed, start=1):
        if not name:
            raise InputError(f"{where}: name {position} is empty; fill it in or remove it")
        if any(unicodedata.category(sign) in _UNPRINTABLE for sign in name):
            raise InputError(f"{where}: {name!r} has an unprintable sign; remove it")
        if name in trimmed[: position - 1]:
            raise InputError(f"{where}: '{name}' is there twice; remove one")
    return trimmed
