"""A job: a folder with the plan, and the part of each shard that is labelled.

``manifest.json`` says what is labelled by what; it is written last, so a plan is there as a whole or
not at all. ``shards.jsonl`` has a line a shard. ``parts/part-00012.jsonl`` appears when shard 12 is
complete. Nothing else says what is done: whoever asks looks at the parts.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from detic.errors import InputError, some_of
from detic.files import (
    is_file,
    is_hidden,
    is_unfinished,
    make_folder,
    open_to_read,
    remove_leftovers,
    unfinished_path,
    write_json,
)
from detic.image_sources import is_address
from detic.labelling.inputs import InputOptions, plan_shards
from detic.labelling.locks import is_locked, locked
from detic.labelling.parts import PartSummary, read_part_summary
from detic.labelling.shards import Shard
from detic.outputs import Category

MANIFEST = "manifest.json"
_SHARDS = "shards.jsonl"
_LISTS = "inputs"
_LOCKS = "locks"
_PARTS = "parts"
_VERSION = 1
_ABANDONED_S = 24 * 3600.0  # what nobody has written to for so long, nobody is writing


@dataclass(frozen=True)
class LabellerDescription:
    """A labeller before it is built."""

    values: Mapping[str, Any]  # what it is built from, as JSON can hold it
    settings: Mapping[str, str]  # what labels depend on: equal ones label alike
    categories: Sequence[Category]


@dataclass(frozen=True)
class Job:
    """A job that was planned.

    Paths in it are relative to ``base``, where its workers work.
    """

    folder: Path
    id: str  # a hash of all that the labels depend on
    base: str  # the working directory where it was planned
    inputs: list[str]  # as they were named
    input_options: InputOptions
    settings: dict[str, str]  # what the labels depend on, by what the user calls it
    labeller: dict[str, Any]  # what builds the labeller, see ``detic.labelling.labellers``
    categories: list[Category]
    num_shards: int
    num_images: int | None  # None: tar files are read to know

    @cached_property
    def shards(self) -> list[Shard]:
        """The plan.

        Raises:
            InputError: it is damaged or gone.
        """
        path = self.folder / _SHARDS
        try:
            with open_to_read(path) as file:
                shards = [Shard(*json.loads(line)) for line in file]
        except (FileNotFoundError, ValueError, TypeError) as error:
            raise _damaged(path, error) from error
        if len(shards) != self.num_shards:
            raise _damaged(path, f"it has {len(shards)} of {self.num_shards} shards")
        return [
            replace(shard, path=str(self.folder / shard.path)) if shard.is_in_job else shard
            for shard in shards
        ]

    def part_path(self, index: int) -> Path:
        """Return the file of the labels of a shard."""
        return self.folder / _PARTS / f"part-{index:05d}.jsonl"

    def summary(self, index: int) -> PartSummary | None:
        """Return what the part of a shard came to; None if it is not complete."""
        return read_part_summary(self.part_path(index), self.id)

    def summaries(self) -> Iterator[tuple[int, PartSummary]]:
        """Yield the shards that are done."""
        for index in range(self.num_shards):
            if (summary := self.summary(index)) is not None:
                yield index, summary

    def missing(self, retry_failed: bool = False) -> list[int]:
        """Return the shards that are not done, or, to be tried again, have images that failed."""
        shards = range(self.num_shards)
        return [index for index in shards if is_to_do(self.summary(index), retry_failed)]

    def lock(self, index: int):
        """Return a context that is true if this process alone may label a shard."""
        return locked(self._lock_path(index))

    def is_locked(self, index: int) -> bool:
        """Return whether some process is at work on a shard."""
        return is_locked(self._lock_path(index))

    def has_lock_file(self, index: int) -> bool:
        """Return whether a process is at work on a shard, or was killed at it."""
        return self._lock_path(index).exists()

    def remove_leftovers(self) -> None:
        """Remove what killed workers were writing; of other machines', what is a day old."""
        folder = self.folder / _PARTS
        with suppress(OSError):  # the folder may be another user's
            remove_leftovers(folder)
            for path in (folder / name for name in os.listdir(folder) if is_unfinished(name)):
                with suppress(FileNotFoundError):  # it is complete just now
                    if time.time() - path.stat().st_mtime > _ABANDONED_S:
                        path.unlink()

    def _lock_path(self, index: int) -> Path:
        return self.folder / _LOCKS / f"{index:05d}"


def is_to_do(part: PartSummary | None, retry_failed: bool = False) -> bool:
    """Return whether a shard with this part is to be labelled."""
    return part is None or (retry_failed and part.failures > 0)


def open_job(folder: Path) -> Job:
    """Return the job of a folder.

    Raises:
        InputError: none was planned there, or the manifest cannot be read.
    """
    folder = Path(os.path.abspath(folder))
    try:
        with open_to_read(folder / MANIFEST) as file:
            content = json.load(file)
        job = _job(folder, **content) if content.pop("version") == _VERSION else None
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no job; `detic label run INPUT --job FOLDER` plans one"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(folder / MANIFEST, error) from error
    if job is None:
        raise InputError(
            f"{folder} was planned by another version of Detic; plan a job in another folder"
        )
    return job


def _job(folder: Path, *, categories: list[dict], input_options: dict, **others: Any) -> Job:
    """Return the job of a manifest."""
    return Job(
        folder=folder,
        categories=[Category(**category) for category in categories],
        input_options=InputOptions(**input_options),
        **others,
    )


def _damaged(path: Path, reason: object) -> InputError:
    return InputError(f"{path} is damaged ({reason}); plan a job in another folder")


def check_folder(folder: Path) -> None:
    """Check that a folder is a job's, maybe one whose planning was killed, or has nothing in it.

    Raises:
        InputError: it holds other files, which might be lost.
    """
    ours = {MANIFEST, _SHARDS, _LISTS, _LOCKS, _PARTS}
    found = set(os.listdir(folder)) if folder.is_dir() else set()
    others = sorted(name for name in found - ours if not is_hidden(name))
    if others:
        raise InputError(f"{folder} holds {some_of(others)}; name a new folder with --job")


def is_planned(folder: Path) -> bool:
    """Return whether a folder holds a whole plan."""
    return is_file(folder / MANIFEST)


def plan_job(
    folder: Path,
    inputs: Sequence[str],
    options: InputOptions,
    labeller: LabellerDescription,
) -> Job:
    """Plan a job, or return the one that is there if it is the same; one process plans at a time.

    Raises:
        InputError: the job that is there is another one, the folder is another's, or there are no images.
    """
    folder = Path(os.path.abspath(folder))
    check_folder(folder)
    make_folder(folder)
    with locked(folder / _LOCKS / "plan", wait=True):
        if not is_planned(folder):
            _write_plan(folder, inputs, options, labeller)
    job = open_job(folder)
    check_same(job, labeller.settings, inputs, options)
    return job


def check_same(
    job: Job,
    settings: Mapping[str, str],
    inputs: Sequence[str] | None = None,
    options: InputOptions | None = None,
) -> None:
    """Check that a job that is there is the one that is asked for.

    Args:
        job: that is there.
        settings: of what is asked for.
        inputs: as the user names them; None: the job's own.
        options: how they are cut; None: as the job's.

    Raises:
        InputError: it is another one; the message says by what.
    """
    other = []
    if inputs is not None and _rooted(os.getcwd(), inputs) != _rooted(job.base, job.inputs):
        other.append("inputs")
    if options is not None:
        asked, there = vars(options), vars(job.input_options)
        other += [name.replace("_", " ") for name in asked if asked[name] != there[name]]
    names = dict.fromkeys([*job.settings, *settings])
    other += [name for name in names if job.settings.get(name) != settings.get(name)]
    if other:
        raise InputError(
            f"{job.folder} holds a job with other {some_of(other)}; name the same to go on with it, or "
            "another folder to begin another one"
        )


def _rooted(base: str, inputs: Sequence[str]) -> list[str]:
    """Return inputs that are relative to a folder, from the root; addresses stay."""
    return [name if is_address(name) else os.path.join(base, name) for name in inputs]


def _write_plan(
    folder: Path,
    inputs: Sequence[str],
    options: InputOptions,
    labeller: LabellerDescription,
) -> None:
    counts: list[int | None] = []  # images of each shard
    digest = sha256(json.dumps(labeller.settings, sort_keys=True).encode())
    shards = plan_shards(inputs, folder / _LISTS, options)
    make_folder(folder / _PARTS)
    with unfinished_path(folder / _SHARDS) as unfinished, unfinished.open("wb") as file:
        for shard in shards:
            if shard.is_in_job:
                shard = replace(shard, path=os.path.relpath(shard.path, folder))
            line = json.dumps(astuple(shard)).encode() + b"\n"
            digest.update(line)
            file.write(line)
            counts.append(shard.num_images)
    if not counts:
        raise InputError(f"there are no images in {some_of(list(inputs))}")
    manifest = {
        "version": _VERSION,
        "id": digest.hexdigest()[:16],
        "base": os.getcwd(),
        "inputs": list(inputs),
        "input_options": vars(options),
        "settings": dict(labeller.settings),
        "labeller": dict(labeller.values),
        "categories": [vars(category) for category in labeller.categories],
        "num_shards": len(counts),
        "num_images": None if None in counts else sum(number or 0 for number in counts),
    }
    write_json(folder / MANIFEST, manifest)
