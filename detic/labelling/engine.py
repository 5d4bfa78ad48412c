"""What engines share: they hand out shards to workers, and that is all they do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detic.labelling.worker import Report


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
        self._num_failed_starts = 0  # of workers, in a row

    @abstractmethod
    def run(self, shards: Sequence[int]) -> dict[int, str]:
        """Have shards labelled; return those that were given up, and why.

        Raises:
            InputError: a worker met a mistake of the user, or none can begin.
        """
