"""Pictures in WebDataset shards: tar files in which each picture is followed by its labels.

The members of a sample share their name up to the first dot: ``000017.jpg`` with ``000017.cls`` or
``000017.json``. Labels are class names, or numbers counted from 0, as WebDataset has them.
"""

import io
import json
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from detic.data.image_labels.class_index import ClassIndex
from detic.data.image_labels.record import image_label_record
from detic.data.image_labels.remembered import read_remembered, write_remembered
from detic.data.picture_size import PICTURE_ERRORS, picture_size_hw
from detic.data.tar_files import IMAGE_SUFFIXES, TarMember, TarReader, content_of_entry, tar_members
from detic.errors import InputError

INDEX_NAME = ".shards.json"
LABEL_SEPARATOR = "|"
JSON_FIELDS = ("labels", "label")

Label = int | str


def load_shards(path: Path, classes: ClassIndex, index_file: Path | None = None) -> list[dict]:
    """Return the records of the pictures in shards.

    Args:
        path: a shard, or a folder with shards, ``*.tar``.
        classes: finds the class of a label.
        index_file: where it is remembered what is in the shards; by default beside them.

    Raises:
        InputError: there are no shards, one cannot be read, or a picture has no usable labels.
    """
    shards = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    folder = path if path.is_dir() else path.parent
    if not shards or not shards[0].is_file():
        raise InputError(f"no shards at {path}; expected a .tar file or a folder with some")
    records: list[dict] = []
    for shard, samples in _samples(shards, index_file or folder / INDEX_NAME):
        for member, span, size_hw, labels in samples:
            where = f"{shard}/{member}"
            indices = [_class_of(label, classes, where) for label in labels]
            place = {"shard": str(shard), "member": member, "span": tuple(span)}
            records.append(image_label_record(len(records) + 1, place, size_hw, indices))
    return records


def _samples(shards: list[Path], index_file: Path) -> list[tuple[Path, list]]:
    """Return what is in each shard, looking into those that are not remembered as they are now."""
    known = read_remembered(index_file)
    entries = {}
    for shard in tqdm(shards, desc="shards", unit="shard", disable=None):
        status = shard.stat()
        fingerprint = [status.st_size, status.st_mtime_ns]
        entry = known.get(shard.name)
        if entry is None or entry["file"] != fingerprint:
            entry = {"file": fingerprint, "samples": read_shard(shard)}
        entries[shard.name] = entry
    if entries != known:
        write_remembered(index_file, entries)
    return [(shard, entries[shard.name]["samples"]) for shard in shards]


def read_shard(shard: Path) -> list[list]:
    """Return [member, [start, size] in bytes, [height, width] or None, labels] of each picture."""
    members, _ = tar_members(shard)
    parts: dict[str, dict[str, TarMember]] = defaultdict(dict)
    for member in members:
        key, suffix = _key_and_suffix(member.name)
        parts[key][suffix] = member
    reader = TarReader(max_open_files=1)
    samples = []
    for key, by_suffix in parts.items():
        for suffix in by_suffix.keys() & set(IMAGE_SUFFIXES):
            picture = by_suffix[suffix]
            start = picture.header_offset
            entry = reader.read(shard, start, picture.offset + picture.size - start)
            labels = _labels(shard, key, by_suffix, reader)
            samples.append([picture.name, [start, len(entry)], _size(entry), labels])
    return samples


def _key_and_suffix(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    stem, dot, suffix = path.name.partition(".")
    return str(path.with_name(stem or path.name)), f"{dot}{suffix}".lower()


def _size(entry: bytes) -> list[int] | None:
    try:
        return list(picture_size_hw(io.BytesIO(content_of_entry(entry))))
    except PICTURE_ERRORS:
        return None


def _labels(
    shard: Path, key: str, by_suffix: dict[str, TarMember], reader: TarReader
) -> list[Label]:
    for suffix, parse in LABEL_PARSERS.items():
        if suffix in by_suffix:
            member = by_suffix[suffix]
            content = reader.read(shard, member.offset, member.size)
            try:
                return parse(content.decode("utf-8"))
            except ValueError as error:
                raise InputError(f"{shard}/{member.name}: {error}") from error
    raise InputError(
        f"{shard}: picture '{key}' has no labels; put {' or '.join(LABEL_PARSERS)} beside it"
    )


def _parse_cls(text: str) -> list[Label]:
    """Return the labels in e.g. ``7``, ``cup`` or ``cup|spoon``."""
    labels = [label.strip() for label in text.split(LABEL_SEPARATOR)]
    return [int(label) if label.isdecimal() else label for label in labels if label]


def _parse_json(text: str) -> list[Label]:
    """Return the labels in, say, ``["cup", "spoon"]``, ``{"labels": [7, 12]}``, ``{"label": 7}``."""
    content: Any = json.loads(text)
    if isinstance(content, dict):
        content = next((content[field] for field in JSON_FIELDS if field in content), None)
    labels = content if isinstance(content, list) else [content]
    if not all(isinstance(label, int | str) and not isinstance(label, bool) for label in labels):
        raise ValueError(f"labels are {labels!r}; expected class names or numbers from 0")
    return labels


LABEL_PARSERS = {".cls": _parse_cls, ".json": _parse_json}


def _class_of(label: Label, classes: ClassIndex, where: str) -> int:
    if isinstance(label, int):
        return classes.checked(label, where)
    return classes.require(label, where)
