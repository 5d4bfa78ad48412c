"""What engines share: they hand out shards to workers, and that is all they do."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detic.errors import InputError
from detic.labelling.shard_queue import MAX_ATTEMPTS
from detic.labelling.worker import Report

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineOptions:
    """How many workers there are, where they compute, and what they do again."""

    workers: int = 1
    devices: Sequence[str] = ()  # taken in turn; none: as the machine says
    needs_gpu: bool = False  # each worker, on a cluster
    threads: int | None = None  # of each worker on the CPU; None: as torch has it
    address: str | None = None  # of a cluster
    retry_failed: bool = False  # label shards with images that failed once more


class Engine(ABC):
    """Hands out shards.

    Args:
        folder: of the job.
        options: how many workers there are, and where they compute.
        report: is told of images that were labelled.
    """

    def __init__(self, folder: Path, options: EngineOptions, report: Report):
        self._folder = folder
        self._options = options
        self._report = report
        self._failed_starts: list[str] = []  # why workers could not begin, in a row

    @abstractmethod
    def run(self, shards: Sequence[int]) -> dict[int, str]:
        """Have shards labelled; return those that were given up, and why.

        Raises:
            InputError: a worker met a mistake of the user, or none can begin.
        """

    def _may_start_again(self) -> bool:
        """Return whether a worker may be started in place of one that could not begin."""
        return len(self._failed_starts) < MAX_ATTEMPTS

    def _go_on_with(self, num_workers: int) -> None:
        """Say that nobody takes the place of a worker that could not begin.

        Raises:
            InputError: there is no other one.
        """
        reason = self._failed_starts[-1]
        if not num_workers:
            raise InputError(f"no worker can begin: {reason}")
        logger.warning("a worker cannot begin, %d others go on: %s", num_workers, reason)
