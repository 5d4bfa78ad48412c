"""Many single images in, batches through one detector thread.

A batch holds items of one key alone: what must be equal for images to be computed together.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

logger = logging.getLogger(__name__)

Detect = Callable[[Sequence[Any], Any], Sequence[Any]]  # items and their key to their results


@dataclass(frozen=True, eq=False)
class _Job:
    item: Any
    key: Hashable
    future: Future = field(default_factory=Future)
    arrived_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class BatchTimes:
    """How long a batch of items took."""

    size: int
    waited_s: float  # by the first of its items
    computed_s: float


class Batcher:
    """A queue with one thread behind it.

    The thread takes the oldest item and those of its key that came later, up to ``max_batch`` and
    ``max_cost``. It waits ``wait_s`` at most for further ones. If a batch fails, its items are tried one
    by one, so that none suffers from another.

    Args:
        detect: called in the thread, with items of one key and the key.
        max_cost: of all items of a batch; one that costs more is a batch of its own.
        cost_of: an item and its key.
        on_batch: told of each batch, in the thread.
    """

    def __init__(
        self,
        detect: Detect,
        *,
        max_batch: int = 8,
        max_cost: float = math.inf,
        cost_of: Callable[[Any, Any], float] = lambda item, key: 0,
        wait_s: float = 0.005,
        on_batch: Callable[[BatchTimes], None] = lambda times: None,
    ):
        self.max_batch = max_batch
        self.max_cost = max_cost
        self.wait_s = wait_s
        self._cost_of = cost_of
        self._detect = detect
        self._on_batch = on_batch
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="detector", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return len(self._jobs)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, item: Any, key: Hashable) -> Future:
        """Return the future result of an item; cancelling it takes the item out of the queue.

        Raises:
            RuntimeError: the batcher is closed.
        """
        job = _Job(item, key)
        with self._changed:
            if not self._is_open:
                raise RuntimeError("the batcher is closed")
            self._drop_cancelled()
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Take no more items, finish those that wait, and return."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            started = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if started:
                self._finish(started)

    def _next_batch(self) -> list[_Job]:
        """Return the next jobs, all of one key; none if the batcher is closed."""
        with self._changed:
            while not self._drop_cancelled() and self._is_open:
                self._changed.wait()
            if not self._jobs:
                return []
            key = self._jobs[0].key
            ends_s = time.monotonic() + self.wait_s
            while self._is_open and self._count(key) < self.max_batch:
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            return self._take(key)

    def _drop_cancelled(self) -> bool:
        """Forget the items that nobody waits for any more; return whether others are left."""
        self._jobs = deque(job for job in self._jobs if not job.future.cancelled())
        return bool(self._jobs)

    def _count(self, key: Hashable) -> int:
        return sum(job.key == key for job in self._jobs)

    def _take(self, key: Hashable) -> list[_Job]:
        """Remove the oldest jobs of a key from the queue, and return them."""
        of_key = [job for job in self._jobs if job.key == key][: self.max_batch]
        costs = accumulate(self._cost_of(job.item, key) for job in of_key)
        num_affordable = sum(cost <= self.max_cost for cost in costs)
        taken = of_key[: max(1, num_affordable)]
        chosen = set(map(id, taken))
        self._jobs = deque(job for job in self._jobs if id(job) not in chosen)
        return taken

    def _finish(self, batch: list[_Job]) -> None:
        starts_s = time.monotonic()
        try:
            results = self._detect([job.item for job in batch], batch[0].key)
            pairs = list(zip(batch, results, strict=True))
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            logger.warning("a batch of %d failed and is done one by one: %s", len(batch), error)
            for job in batch:
                self._finish([job])
            return
        for job, result in pairs:
            job.future.set_result(result)
        ends_s = time.monotonic()
        self._tell(BatchTimes(len(batch), starts_s - batch[0].arrived_s, ends_s - starts_s))

    def _tell(self, times: BatchTimes) -> None:
        try:
            self._on_batch(times)
        except Exception:  # the thread has further items to detect in
            logger.exception("the times of a batch were not noted")
