"""Images in WebDataset shards: tar files in which each image is followed by its labels.

The members of a sample share their name up to the first dot: ``000017.jpg`` with ``000017.cls`` or
``000017.json``. Labels are class names, or numbers counted from 0, as WebDataset has them.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from detic.datasets.image_labels.class_index import ClassIndex, report_left_out
from detic.datasets.image_labels.labelled_image import image_label_record
from detic.datasets.image_sizes import (
    is_worth_saving,
    read_remembered,
    write_remembered,
)
from detic.datasets.tar_files import (
    TarMember,
    TarReader,
    content_of_entry,
    tar_members,
    visible_tars,
)
from detic.documents import parse_json
from detic.errors import InputError, shown
from detic.files import fingerprint, is_file
from detic.images import IMAGE_ERRORS, IMAGE_SUFFIXES, is_image_name, read_image_size
from detic.progress import track

logger = logging.getLogger(__name__)

INDEX_NAME = ".shards.json"
LABEL_SEPARATOR = "|"
MAX_DIGITS = 18  # of a class number
JSON_FIELDS = ("labels", "label")

Label = int | str


@dataclass(frozen=True)
class ShardContent:
    """What is in a shard, in types that json keeps."""

    samples: list[list]  # [member, [start, size] in bytes, [height, width] or None, labels]
    dotted: list[str]  # images that belong to no sample, for the dots in their names


def load_shards(path: Path, classes: ClassIndex, index_file: Path | None = None) -> list[dict]:
    """Return the records of the images in shards.

    Labels that a class map does not have are left out, and images that have no other.

    Args:
        path: a shard, or a folder with shards, ``*.tar``.
        classes: finds the class of a label.
        index_file: where it is remembered what is in the shards; by default beside them.

    Raises:
        InputError: there are no shards, one cannot be read, or an image has no usable labels.
    """
    shards = visible_tars(path) if path.is_dir() else [path]
    folder = path if path.is_dir() else path.parent
    if not shards or not is_file(shards[0]):
        raise InputError(f"no shards at {path}; expected a .tar file or a folder with some")
    contents = _contents(shards, index_file or folder / INDEX_NAME)
    _warn_of_dotted([f"{shard}/{name}" for shard, content in contents for name in content.dotted])
    records: list[dict] = []
    for shard, content in contents:
        for member, span, size_hw, labels in content.samples:
            indices = classes.indices(labels, f"{shard}/{member}")
            if indices or not labels:
                place = {"shard": str(shard), "member": member, "span": tuple(span)}
                records.append(image_label_record(len(records) + 1, place, size_hw, indices))
    num_images = sum(len(content.samples) for _, content in contents)
    report_left_out(path, num_images - len(records), num_images)
    return records


def _contents(shards: list[Path], index_file: Path) -> list[tuple[Path, ShardContent]]:
    """Return what is in each shard, looking into those that are not remembered as they are now."""
    known = read_remembered(index_file, _is_remembered)
    num_new = 0
    for shard in track(shards, description="shards", unit="shard"):
        file = fingerprint(shard)
        if known.get(shard.name, {}).get("file") != file:
            known[shard.name] = {"file": file, **asdict(read_shard(shard))}
            num_new += 1
        if is_worth_saving(num_new, len(known)):
            write_remembered(index_file, known)
            num_new = 0
    if num_new:
        write_remembered(index_file, known)
    return [
        (shard, ShardContent(known[shard.name]["samples"], known[shard.name]["dotted"]))
        for shard in shards
    ]


def _is_remembered(value: Any) -> bool:
    """Return whether a value is the content of a shard with the fingerprint of its file."""
    if not isinstance(value, dict) or set(value) != {"file", "samples", "dotted"}:
        return False
    lists = [value["file"], value["samples"], value["dotted"]]
    return all(isinstance(part, list) for part in lists) and all(map(_is_sample, value["samples"]))


def _is_sample(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 4:
        return False
    member, span, size_hw, labels = value
    return (
        isinstance(member, str)
        and _are_integers(span)
        and (size_hw is None or _are_integers(size_hw))
        and isinstance(labels, list)
        and all(isinstance(label, int | str) for label in labels)
    )


def _are_integers(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)


def _warn_of_dotted(images: list[str]) -> None:
    if images:
        logger.warning(
            "left out %d images with a dot in their name, such as %s: the name of a sample ends at "
            "its first dot; put another character there, in the names of the labels too",
            len(images),
            images[0],
        )


def read_shard(shard: Path) -> ShardContent:
    """Return what is in a shard, in its order.

    Raises:
        InputError: it cannot be read, or an image has no usable labels.
    """
    members, _ = tar_members(shard)
    parts: dict[str, dict[str, TarMember]] = defaultdict(dict)
    for member in members:
        key, suffix = _key_and_suffix(member.name)
        parts[key][suffix] = member
    reader = TarReader(max_open_files=1)
    samples, dotted = [], []
    for key, by_suffix in parts.items():
        for suffix, member in by_suffix.items():
            if suffix in IMAGE_SUFFIXES:
                labels = _labels(shard, key, by_suffix, reader)
                samples.append(_sample(shard, member, labels, reader))
            elif is_image_name(member.name):
                dotted.append(member.name)
    return ShardContent(samples, dotted)


def _sample(shard: Path, image: TarMember, labels: list[Label], reader: TarReader) -> list:
    start = image.header_offset
    entry = reader.read(shard, start, image.offset + image.size - start)
    return [image.name, [start, len(entry)], _size(entry), labels]


def _key_and_suffix(name: str) -> tuple[str, str]:
    """Return the parts of a name before and from the first dot, as WebDataset divides it."""
    path = PurePosixPath(name)
    stem, dot, suffix = path.name.partition(".")
    return str(path.with_name(stem or path.name)), f"{dot}{suffix}".lower()


def _size(entry: bytes) -> list[int] | None:
    try:
        return list(read_image_size(content_of_entry(entry)))
    except IMAGE_ERRORS:
        return None


def _labels(
    shard: Path, key: str, by_suffix: dict[str, TarMember], reader: TarReader
) -> list[Label]:
    """Return the labels beside an image, the first that are not empty."""
    beside = [suffix for suffix in LABEL_PARSERS if suffix in by_suffix]
    if not beside:
        raise InputError(
            f"{shard}: image '{key}' has no labels; put {' or '.join(LABEL_PARSERS)} beside it"
        )
    read = (
        _read_labels(shard, by_suffix[suffix], LABEL_PARSERS[suffix], reader) for suffix in beside
    )
    return next(filter(None, read), [])


def _read_labels(
    shard: Path, member: TarMember, parse: Callable[[str, str], list[Label]], reader: TarReader
) -> list[Label]:
    content = reader.read(shard, member.offset, member.size)
    path = f"{shard}/{member.name}"
    try:
        return parse(content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error})") from error


def _parse_cls(text: str, path: str) -> list[Label]:
    """Return the labels in e.g. ``7``, ``cup`` or ``cup|spoon``."""
    labels = [label.strip() for label in text.split(LABEL_SEPARATOR)]
    return [int(label) if _is_class_number(label) else label for label in labels if label]


def _is_class_number(label: str) -> bool:
    return label.isdecimal() and len(label) <= MAX_DIGITS


def _parse_json(text: str, path: str) -> list[Label]:
    """Return the labels in, say, ``["cup", "spoon"]``, ``{"labels": [7, 12]}``, ``{"label": 7}``."""
    content = parse_json(text, path)
    if isinstance(content, dict):
        content = next((content[field] for field in JSON_FIELDS if field in content), None)
    labels = content if isinstance(content, list) else [content]
    if not all(isinstance(label, int | str) and not isinstance(label, bool) for label in labels):
        raise InputError(
            f"{path}: labels are {shown(labels)}; expected class names or numbers from 0"
        )
    return labels


LABEL_PARSERS = {".cls": _parse_cls, ".json": _parse_json}
