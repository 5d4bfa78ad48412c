"""Reading what comes next while the present is worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(
    pool: Executor, read: Callable[[T], R], items: Iterable[T], depth: int
) -> Iterator[R]:
    """Yield ``read`` of each item in order; up to ``depth`` of them are read in advance."""
    remaining = iter(items)
    waiting: deque[Future[R]] = deque(pool.submit(read, item) for item in islice(remaining, depth))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(read, item) for item in islice(remaining, 1))
        yield result
