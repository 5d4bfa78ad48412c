"""Progress of long work: a bar on a terminal; in logs, a line now and then.

Bars are drawn anew many times a second, by characters that a log keeps all of.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from typing import Generic, Protocol, TypeVar, cast

from tqdm import tqdm

PERIOD = 10.0  # seconds between two lines
MIN_DURATION = 1.0  # seconds; work that is over sooner needs no line

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Progress(Protocol[T_co]):
    """Work that is followed: items are counted as they are gone through, or by hand."""

    def __iter__(self) -> Iterator[T_co]: ...

    def __enter__(self) -> "Progress[T_co]": ...

    def __exit__(self, *error: object) -> None: ...

    def update(self, n: int = 1) -> object:
        """Count n more items as done."""

    def set_postfix_str(self, s: str) -> None:
        """Show a text behind the numbers."""


def track(
    items: Iterable[T],
    description: str = "",
    *,
    unit: str,
    total: int | None = None,
    scale: bool = False,
    show: bool = True,
) -> Progress[T]:
    """Return items whose progress is shown on stderr while they are gone through.

    Args:
        items: what is gone through.
        description: of the work.
        unit: what an item is.
        total: number of items; by default their length, if they have one.
        scale: show large numbers on bars as 1.30M.
        show: whether to show anything.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if show and not sys.stderr.isatty():
        return ProgressLines(items, description or unit, unit, total)
    bar = tqdm(items, description, total=total, unit=unit, unit_scale=scale, disable=not show)
    return cast(Progress[T], bar)


def counter(
    description: str, *, unit: str, total: int | None = None, scale: bool = False
) -> Progress[None]:
    """Return a count that is shown on stderr and goes on by ``update``; arguments as of ``track``."""
    if not sys.stderr.isatty():
        return ProgressLines((), description, unit, total)
    bar = tqdm(None, description, total=total, unit=unit, unit_scale=scale)
    return cast(Progress[None], bar)


class ProgressLines(Generic[T]):
    """Progress as lines on stderr, some seconds apart, and one at the end."""

    def __init__(self, items: Iterable[T], description: str, unit: str, total: int | None):
        self._items = items
        self._description = description
        self._unit = unit
        self._total = total
        self._done = 0
        self._postfix = ""
        self._is_over = False
        self._started = self._written = time.monotonic()

    def __iter__(self) -> Iterator[T]:
        with self:
            for item in self._items:
                yield item
                self.update()

    def __enter__(self) -> "ProgressLines[T]":
        return self

    def __exit__(self, *error: object) -> None:
        if not self._is_over and time.monotonic() - self._started >= MIN_DURATION:
            self._write(is_over=True)
        self._is_over = True

    def update(self, n: int = 1) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._written >= PERIOD:
            self._written = now
            self._write(is_over=False)

    def set_postfix_str(self, s: str) -> None:
        self._postfix = s

    def _write(self, *, is_over: bool) -> None:
        seconds = time.monotonic() - self._started
        parts = [f"{self._description}: {self._done}"]
        if self._total is not None:
            parts = [f"{parts[0]}/{self._total}"]
        parts.append(f"{self._done / seconds:.3g} {self._unit}/s")
        if is_over:
            parts.append(f"{_clock(seconds)} in all")
        elif self._total and self._done:
            parts.append(f"{_clock(seconds / self._done * (self._total - self._done))} left")
        sys.stderr.write(", ".join(filter(None, [*parts, self._postfix])) + "\n")
        sys.stderr.flush()


def _clock(seconds: float) -> timedelta:
    return timedelta(seconds=round(max(0.0, seconds)))
