"""What an exported file says about itself, which whoever runs it needs to know."""

import json
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from detic.errors import InputError, shown

KEY = "detic"  # under which formats keep it
FORMAT_VERSION = 1
CHANNEL_ORDERS = ("RGB", "BGR")


@dataclass(frozen=True)
class ExportMetadata:
    """How the input of a graph is made, and what its outputs are.

    The normalisation of pixels and the padding to ``size_divisibility`` are in the graph.
    """

    detic_version: str
    recipe: str  # its name
    weights_sha256: str  # of the file; "" if the weights come from none
    text_encoder: str  # its name
    text_encoder_fingerprint: str | None  # of its weights; None: they were not at hand
    prompt: str  # with {} for the class name
    embedding_dim: int
    channel_order: str  # RGB or BGR
    # Images are resized to it, bilinearly and with antialiasing; 0: they are not
    short_side_px: int
    max_side_px: int  # that the long side must not exceed then
    min_side_px: int  # smaller sides are filled up to it, at right and bottom; 1: none is
    size_divisibility: int  # of the sides that the graph pads images to, at right and bottom
    # That the graph takes alone: images are resized into it, then filled up. None: any
    fixed_size_hw: tuple[int, int] | None
    fill_rgb: tuple[int, int, int]  # what images are filled up with
    pixel_mean: tuple[float, ...]  # in the channel order
    pixel_std: tuple[float, ...]
    default_threshold: float
    detections_per_image: int
    one_class_per_box: bool  # a box is reported as its likeliest class
    has_masks: bool
    precision: str  # fp32, or int8 of convolutions
    verified: str  # what held before the file appeared
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def metadata_from_json(text: str | None, path: object) -> ExportMetadata:
    """Return what a file says about itself.

    Args:
        text: None: it says nothing.
        path: what messages name.

    Raises:
        InputError: it says nothing, or what we do not understand.
    """
    if text is None:
        raise InputError(
            f"{path} does not say how its input is made: it is no file of `detic export`, or another "
            "program has removed its metadata; export it again"
        )
    try:
        found = json.loads(text)
        version = found.get("format_version")
    except (ValueError, AttributeError):
        version = shown(text)
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} is an export of format {version}, this version reads format {FORMAT_VERSION}; "
            "export it again"
        )
    names = [field.name for field in fields(ExportMetadata)]
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path}: its metadata lacks {', '.join(missing)}; export it again")
    kinds = get_type_hints(ExportMetadata)
    wrong = [name for name in names if not _is(found[name], kinds[name])]
    if found["channel_order"] not in CHANNEL_ORDERS:
        wrong.append("channel_order")
    if wrong:
        raise InputError(
            f"{path}: its metadata are damaged ({wrong[0]} is {shown(found[wrong[0]])}); export it again"
        )
    values: dict[str, Any] = {
        name: tuple(found[name]) if isinstance(found[name], list) else found[name] for name in names
    }
    return ExportMetadata(**values)


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
