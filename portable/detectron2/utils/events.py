"""Metrics of a training run: where they are put, and the writers that report them.

with EventStorage(start_iter) as storage:
    for iteration in range(start_iter, max_iter):
        storage.iter = iteration
        storage.put_scalar("loss", loss)      # anywhere: get_event_storage().put_scalar(...)
        for writer in writers:
            writer.write()
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator

from detectron2.utils.file_io import PathManager
from fvcore.common.history_buffer import HistoryBuffer

_active_storages: list["EventStorage"] = []


def get_event_storage() -> "EventStorage":
    """Return the storage of the innermost `with EventStorage(...)`."""
    if not _active_storages:
        raise RuntimeError("metrics can only be stored inside 'with EventStorage(...)'")
    return _active_storages[-1]


def has_event_storage() -> bool:
    """Return whether a storage is active."""
    return bool(_active_storages)


class EventStorage:
    """The history of every metric of a run. As a context manager it becomes the active storage.

    Attributes:
        iter: number of the current iteration; whoever runs the loop sets it.
    """

    def __init__(self, start_iter: int = 0):
        self.iter = start_iter
        self._history: dict[str, HistoryBuffer] = {}
        self._smoothing_hints: dict[str, bool] = {}
        self._latest: dict[str, tuple[float, int]] = {}
        self._prefix = ""

    def step(self) -> None:
        """Move on to the next iteration."""
        self.iter += 1

    def put_scalar(self, name: str, value: float, smoothing_hint: bool = True) -> None:
        """Store the value of a metric in the current iteration.

        With `smoothing_hint` the metric is noisy: a median of recent values is reported.
        """
        name = self._prefix + name
        value = float(value)
        self._history.setdefault(name, HistoryBuffer()).update(value, self.iter)
        self._latest[name] = (value, self.iter)
        self._smoothing_hints[name] = smoothing_hint

    def put_scalars(self, *, smoothing_hint: bool = True, **kwargs: float) -> None:
        """Store several metrics, given by name."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint)

    def history(self, name: str) -> HistoryBuffer:
        """Return the values of a metric."""
        return self._history[name]

    def latest(self) -> dict[str, tuple[float, int]]:
        """Return the last value of each metric and its iteration."""
        return self._latest

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Return `latest()` with noisy metrics replaced by medians of `window_size` values."""
        latest = dict(self._latest)
        for name, (_, iteration) in self._latest.items():
            if self._smoothing_hints[name]:
                latest[name] = (self._history[name].median(window_size), iteration)
        return latest

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefix the names of everything stored inside with "name/"."""
        previous = self._prefix
        self._prefix = name.rstrip("/") + "/"
        try:
            yield
        finally:
            self._prefix = previous

    def __enter__(self) -> "EventStorage":
        _active_storages.append(self)
        return self

    def __exit__(self, *exc_info) -> None:
        _active_storages.pop()


class EventWriter:
    """Reports what the active storage holds, each time `write` is called."""

    def write(self) -> None:
        """Report what is there since the last call."""
        raise NotImplementedError

    def close(self) -> None:
        """Release files."""


class _Unwritten:
    """Hands out each stored value once, noisy ones as medians of `window_size` values."""

    def __init__(self, window_size: int):
        self._window_size = window_size
        self._last_iter = -1

    def take(self) -> list[tuple[int, str, float]]:
        """Return (iteration, name, value) of the values stored since the last call, in order."""
        latest = get_event_storage().latest_with_smoothing_hint(self._window_size)
        rows = [(iteration, name, value) for name, (value, iteration) in latest.items()]
        rows = sorted(row for row in rows if row[0] > self._last_iter)
        if rows:
            self._last_iter = rows[-1][0]
        return rows


class JSONWriter(EventWriter):
    """Appends lines of JSON to a file: one object per iteration that has unreported values."""

    def __init__(self, json_file: str, window_size: int = 20):
        """Open the file, continuing an existing one; medians are over `window_size` values."""
        self._file = PathManager.open(json_file, "a")
        self._unwritten = _Unwritten(window_size)

    def write(self) -> None:
        for iteration, rows in itertools.groupby(self._unwritten.take(), key=lambda row: row[0]):
            values = {name: value for _, name, value in rows}
            line = json.dumps({**values, "iteration": iteration}, sort_keys=True)
            self._file.write(line + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class TensorboardXWriter(EventWriter):
    """Writes scalars to a TensorBoard log."""

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs):
        """Open a log in `log_dir`; `kwargs` are further ones of tensorboard's `SummaryWriter`."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(log_dir, **kwargs)
        self._unwritten = _Unwritten(window_size)

    def write(self) -> None:
        for iteration, name, value in self._unwritten.take():
            self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        self._writer.close()
