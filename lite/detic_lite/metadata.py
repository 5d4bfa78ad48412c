"""What an exported file says about itself, as far as it is needed to run it.

docs/export.md describes all of it; ``detic.export.metadata`` writes it.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from detic_lite.errors import InputError

KEY = "detic"  # under which formats keep it
FORMAT_VERSION = 1
CHANNEL_ORDERS = ("RGB", "BGR")


@dataclass(frozen=True)
class ModelMetadata:
    """How the input of a graph is made, and what its outputs are."""

    text_encoder: str  # its name
    text_encoder_fingerprint: str | None  # of its weights; None: it is not known
    prompt: str  # with {} for the class name
    embedding_dim: int
    channel_order: str  # RGB or BGR
    short_side_px: int  # images are resized to it, bilinearly; 0: they are not
    max_side_px: int  # that the long side must not exceed then
    min_side_px: int  # smaller sides are filled up to it, at right and bottom
    fixed_size_hw: tuple[int, int] | None  # images are resized into it, then filled up; None: any
    fill_rgb: tuple[int, int, int]  # what images are filled up with
    default_threshold: float
    one_class_per_box: bool  # a box is reported as its likeliest class


def parse_metadata(text: str | None, path: Path) -> ModelMetadata:
    """Return what a file says about itself.

    Args:
        text: None: it says nothing.
        path: what messages name.

    Raises:
        InputError: it says nothing, or what we do not understand.
    """
    if not text:
        raise InputError(
            f"{path} does not say how its input is made: it is no file of `detic export`, or another "
            "program has removed its metadata; export it again"
        )
    try:
        found = json.loads(text)
        version = found.get("format_version")
    except (ValueError, AttributeError):
        raise InputError(f"{path}: its metadata are damaged; export it again") from None
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} is an export of format {version}, this version reads format {FORMAT_VERSION}; "
            "export it again"
        )
    names = [field.name for field in fields(ModelMetadata)]
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: its metadata lacks {', '.join(missing)}; export it again")
    kinds = get_type_hints(ModelMetadata)
    wrong = [name for name in names if not _is(found[name], kinds[name])]
    if found["channel_order"] not in CHANNEL_ORDERS:
        wrong.append("channel_order")
    if wrong:
        raise InputError(
            f"{path}: its metadata are damaged ({wrong[0]} is {found[wrong[0]]!r}); export it again"
        )
    values: dict[str, Any] = {
        name: tuple(found[name]) if isinstance(found[name], list) else found[name] for name in names
    }
    return ModelMetadata(**values)


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value of JSON is of a type of Python; whole numbers are not negative."""
    parts = get_args(kind)
    if get_origin(kind) is UnionType:
        return any(_is(value, part) for part in parts)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            return False
        of_each = parts[:1] * len(value) if parts[-1] is ... else parts
        return len(value) == len(of_each) and all(map(_is, value, of_each))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind and (kind is not int or value >= 0)
