"""What engines share: they hand out shards to workers, and that is all they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EngineOptions:
    """How many workers there are, and where they compute."""

    workers: int = 1
    devices: Sequence[str] = ()  # taken in turn; none: as the job, or the machine, says
    needs_gpu: bool = False  # each worker, on a cluster
    threads: int | None = None  # of each worker on the CPU; None: as torch has it
    address: str | None = None  # of a cluster


class Engine(Protocol):
    """Hands out shards."""

    def run(self, shards: Sequence[int]) -> list[int]:
        """Have shards labelled; return those that killed every worker that tried."""
