"""Parts: files with the labels of one shard, in lines of JSON.

Each image has a line, one that failed too. The last line says what the part came to, and to which job
it belongs; a part without it is not complete.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from detic.detections import Detections
from detic.errors import InputError
from detic.files import open_to_read, unfinished_text
from detic.image_sources import shown_name
from detic.labelling.shards import Failure
from detic.outputs import ImageRecord
from detic.outputs.json_lines import as_json, image_entry

_LAST_BYTES = 512  # of a part, which hold its last line


@dataclass
class PartSummary:
    """What a part came to."""

    images: int = 0  # with those that failed
    failures: int = 0
    objects: int = 0
    written: float = 0.0  # when the part was complete, seconds since 1970


class PartWriter:
    """Writer of the lines of a part."""

    def __init__(self, file: Any):
        self.summary = PartSummary()
        self._file = file

    def add(self, name: str, found: Detections | Failure) -> None:
        """Write what was found in the next image."""
        self.summary.images += 1
        if isinstance(found, Failure):
            self.summary.failures += 1
            entry = {"file_name": shown_name(name), "image_id": self.summary.images}
            entry["error"] = shown_name(found.reason)
        else:
            self.summary.objects += len(found)
            record = ImageRecord(shown_name(name), self.summary.images, stem="")
            entry = image_entry(record, found)
        self._file.write(as_json(entry) + "\n")


@contextmanager
def part_writer(path: Path, job_id: str) -> Iterator[PartWriter]:
    """Yield the writer of a part, which appears under its name at the end."""
    with unfinished_text(path) as file:
        writer = PartWriter(file)
        yield writer
        counts = asdict(writer.summary)
        counts.pop("written")
        file.write(as_json({"job": job_id, **counts}) + "\n")


def read_part_summary(path: Path, job_id: str) -> PartSummary | None:
    """Return what a part came to; None if it is not there, not whole, or of another job."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - _LAST_BYTES))
            *_, last, end = file.read().split(b"\n")
        counts = orjson.loads(last)
        is_whole = end == b"" and counts.pop("job") == job_id
        return PartSummary(**counts, written=status.st_mtime) if is_whole else None
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def read_part(path: Path) -> Iterator[dict]:
    """Yield the entries of a part that is whole, those of failures with ``error``.

    ``image_id`` is the place in the part, from 1.

    Raises:
        InputError: it is damaged.
    """
    with open_to_read(path) as file:
        for line in file:
            try:
                entry = orjson.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{path} is damaged ({error}); remove it, and `detic label run` makes it again"
                ) from error
            if "job" not in entry:
                yield entry
