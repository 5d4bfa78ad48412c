"""A worker: labels the shards that it is given, each to its end. Doing one twice makes the same file."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detic.errors import InputError
from detic.freed_memory import keep_freed_memory
from detic.image_sources import is_address
from detic.labelling.job import Job, check_same, is_to_do, open_job
from detic.labelling.labellers import Labeller, build_labeller
from detic.labelling.parts import PartSummary, part_writer
from detic.labelling.shards import UnreadableShard

Report = Callable[[int], object]  # takes a number of images that were labelled just now
_PERIOD = 32  # images between two reports
_PAUSE_S = 5.0  # after an address that did not answer


class ShardWorker:
    """Worker on the shards of a job, in a process of its own: it works in the job's base folder.

    Args:
        folder: of the job.
        device: where it computes; None: as the job says.
        retry_failed: label shards with images that failed once more.

    Raises:
        InputError: the labeller cannot be built here, or what it is built from has changed since
            the job was planned.
    """

    def __init__(self, folder: Path, device: str | None = None, retry_failed: bool = False):
        keep_freed_memory()
        self.job = open_job(folder)
        go_to_base(self.job)
        self._labeller = build_labeller(self.job.labeller, device, partial(check_same, self.job))
        self._retry_failed = retry_failed

    def label(self, index: int, report: Report = lambda count: None) -> PartSummary | None:
        """Label a shard, see ``label_shard``; one at an address that does not answer takes a while."""
        try:
            return label_shard(self.job, index, self._labeller, report, self._retry_failed)
        except UnreadableShard:
            if is_address(self.job.shards[index].path):
                time.sleep(_PAUSE_S)  # or all tries would fall into the same moment
            raise


def label_shard(
    job: Job, index: int, labeller: Labeller, report: Report, retry_failed: bool = False
) -> PartSummary | None:
    """Label a shard unless that is done; return what it came to, None if another process has it.

    Args:
        report: is told of images that were labelled.
        retry_failed: a shard with images that failed counts as not done. Its part stays until the new
            one is complete.

    Raises:
        UnreadableShard: its images cannot be read.
    """
    was_killed = job.has_lock_file(index)
    with job.lock(index) as is_ours:
        if not is_ours:
            return None
        if was_killed:
            job.remove_leftovers()
        if is_to_do(job.summary(index), retry_failed):
            with part_writer(job.part_path(index), job.id) as part:
                for name, found in labeller(job.shards[index].read()):
                    part.add(name, found)
                    if part.summary.images % _PERIOD == 0:
                        report(_PERIOD)
            report(part.summary.images % _PERIOD)
        return job.summary(index)


def go_to_base(job: Job) -> None:
    """Make a job's base folder the working directory of this process.

    Raises:
        InputError: it is not there.
    """
    try:
        os.chdir(job.base)
    except OSError as error:
        raise InputError(
            f"{job.folder} was planned in {job.base}, and that folder cannot be entered here; its inputs "
            "are named from there"
        ) from error
