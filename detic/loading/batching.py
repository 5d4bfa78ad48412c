"""Batches of images of one dataset and one orientation, planned before any image is read.

Images wait in buckets. A bucket that is full becomes a batch; what waits in the others stays, so
every process has a batch at every step whatever the stream brings.

Shapes: N images, S sources.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from detic.loading.index_stream import Epoch, StreamElement, StrideReader
from detic.loading.sampling import DrawEpoch

Item = TypeVar("Item")


class Buckets(Generic[Item]):
    """Lists that are handed out and emptied when they are full.

    Args:
        capacities: number of items that fill each bucket.
        contents: what the buckets hold at first, by bucket; by default nothing.
    """

    def __init__(self, capacities: Sequence[int], contents: Iterable[Iterable[Item]] | None = None):
        self._capacities = capacities
        self.contents: list[list[Item]] = [[] for _ in capacities]
        if contents is not None:
            self.contents = list(map(list, contents))

    def add(self, bucket: int, item: Item) -> list[Item] | None:
        """Put an item into a bucket; return the bucket's items if it is full now."""
        items = self.contents[bucket]
        items.append(item)
        if len(items) < self._capacities[bucket]:
            return None
        self.contents[bucket] = []
        return items


@dataclass(frozen=True)
class BatchLayout:
    """Which images may share a batch, and how many."""

    bucket_of_image: np.ndarray  # (N,) integers
    batch_sizes: tuple[int, ...]  # by bucket


def source_and_shape_buckets(sources: np.ndarray, is_wide: np.ndarray) -> np.ndarray:
    """Return two buckets a source: for images wider than high, then for all others, (N,).

    Args:
        sources: (N,) integers.
        is_wide: (N,) bool.
    """
    return 2 * sources + np.where(is_wide, 0, 1)


@dataclass(frozen=True)
class PlannerState:
    """Where a planner is: what comes next, and what waits."""

    epoch: Epoch
    offset: int
    waiting: tuple[tuple[StreamElement, ...], ...]  # by bucket

    def as_dict(self) -> dict[str, Any]:
        """Return the state as numbers and one tensor, a few kB."""
        return {
            "generator": self.epoch.generator_state,
            "start": self.epoch.start,
            "offset": self.offset,
            "waiting": [[(e.position, e.index) for e in bucket] for bucket in self.waiting],
        }


@dataclass(frozen=True)
class PlannedBatch:
    """The images of one batch, and the planner's state after it."""

    elements: list[StreamElement]
    state_after: PlannerState


class BatchPlanner:
    """Planner of the batches of one process.

    Args:
        layout: of the batches.
        world_size: number of processes; this one reads every ``world_size``-th element.
        state: where to begin.
    """

    def __init__(self, layout: BatchLayout, world_size: int, state: PlannerState):
        self._layout = layout
        self._reader = StrideReader(state.epoch, state.offset, world_size)
        self._buckets = Buckets(layout.batch_sizes, state.waiting)

    def next_batch(self) -> PlannedBatch:
        """Return the next batch."""
        while True:
            element = next(self._reader)
            bucket = int(self._layout.bucket_of_image[element.index])
            elements = self._buckets.add(bucket, element)
            if elements is not None:
                return PlannedBatch(elements, self.state())

    def state(self) -> PlannerState:
        """Return where the planner is."""
        waiting = tuple(map(tuple, self._buckets.contents))
        return PlannerState(self._reader.epoch, self._reader.offset, waiting)


@dataclass(frozen=True)
class PlannerFactory:
    """What the planners of all ranks have in common."""

    layout: BatchLayout
    draw: DrawEpoch
    world_size: int

    def beginnings(self, seed: int, ranks: Sequence[int]) -> list[PlannerState]:
        """Return the states of the planners of some ranks before their first batch."""
        epoch = Epoch.first(self.draw, seed)
        nothing = ((),) * len(self.layout.batch_sizes)
        return [PlannerState(epoch, rank, nothing) for rank in ranks]

    def planner(self, state: PlannerState) -> BatchPlanner:
        """Return a planner that goes on from a state."""
        return BatchPlanner(self.layout, self.world_size, state)

    def states_from_dicts(self, saved: Sequence[dict[str, Any]]) -> list[PlannerState]:
        """Return the states that ``PlannerState.as_dict`` has written."""
        epochs: dict[int, Epoch] = {}  # ranks in the same epoch share it
        states = []
        for entry in saved:
            start = entry["start"]
            if start not in epochs:
                epochs[start] = Epoch(self.draw, entry["generator"], start)
            waiting = tuple(
                tuple(StreamElement(*pair) for pair in bucket) for bucket in entry["waiting"]
            )
            states.append(PlannerState(epochs[start], entry["offset"], waiting))
        return states
