"""What engines share: they hand out shards to workers, and that is all they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EngineOptions:
    """How many workers there are, where they compute, and what they do again."""

    workers: int = 1
    devices: Sequence[str] = ()  # taken in turn; none: as the machine says
    needs_gpu: bool = False  # each worker, on a cluster
    threads: int | None = None  # of each worker on the CPU; None: as torch has it
    address: str | None = None  # of a cluster
    retry_failed: bool = False  # label shards with images that failed once more


class Engine(Protocol):
    """Hands out shards."""

    def run(self, shards: Sequence[int]) -> dict[int, str]:
        """Have shards labelled; return those that were given up, and why."""
