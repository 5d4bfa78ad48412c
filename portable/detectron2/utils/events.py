"""Metrics of a training run: where they are put, and the writers that report them.

with EventStorage(start_iter) as storage:
    for iteration in range(start_iter, max_iter):
        storage.iter = iteration
        storage.put_scalar("loss", loss)      # anywhere: get_event_storage().put_scalar(...)
        for writer in writers:
            writer.write()
"""

import contextlib
import datetime
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from detectron2.utils.file_io import PathManager
from fvcore.common.history_buffer import HistoryBuffer

_active_storages: list["EventStorage"] = []


def get_event_storage() -> "EventStorage":
    """Returns the storage of the innermost `with EventStorage(...)`.

    Raises:
        RuntimeError: no storage is active.
    """
    if not _active_storages:
        raise RuntimeError("metrics can only be stored inside 'with EventStorage(...)'")
    return _active_storages[-1]


def has_event_storage() -> bool:
    """Returns whether a storage is active."""
    return bool(_active_storages)


class EventStorage:
    """The history of every metric of a run. As a context manager it becomes the active storage."""

    def __init__(self, start_iter: int = 0):
        """
        Args:
            start_iter: number of the first iteration.
        """
        self.iter = start_iter
        self._history: dict[str, HistoryBuffer] = defaultdict(HistoryBuffer)
        self._smoothing_hints: dict[str, bool] = {}
        self._latest: dict[str, tuple[float, int]] = {}
        self._images: list[tuple[str, np.ndarray | torch.Tensor, int]] = []
        self._prefix = ""

    @property
    def iter(self) -> int:
        """Number of the current iteration; whoever runs the loop sets it."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The same as `iter`."""
        return self._iter

    def step(self) -> None:
        """Moves on to the next iteration."""
        self._iter += 1

    def put_scalar(self, name: str, value: float, smoothing_hint: bool = True) -> None:
        """Stores the value of a metric in the current iteration.

        Args:
            name: slashes group metrics in reports, as in "time/data".
            value: anything that `float` takes.
            smoothing_hint: the metric is noisy, report a median of recent values.

        Raises:
            ValueError: the metric was stored with the other hint before.
        """
        name = self._prefix + name
        value = float(value)
        known_hint = self._smoothing_hints.setdefault(name, smoothing_hint)
        if known_hint != smoothing_hint:
            raise ValueError(
                f"metric '{name}' was stored with smoothing_hint={known_hint} before, "
                f"now with {smoothing_hint}"
            )
        self._history[name].update(value, self._iter)
        self._latest[name] = (value, self._iter)

    def put_scalars(self, *, smoothing_hint: bool = True, **kwargs: float) -> None:
        """Stores several metrics, given by name."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint)

    def put_image(self, img_name: str, img_tensor: np.ndarray | torch.Tensor) -> None:
        """Keeps a picture for the writers, (3, H, W), uint8 or float in 0-1, RGB."""
        self._images.append((self._prefix + img_name, img_tensor, self._iter))

    def images(self) -> list[tuple[str, np.ndarray | torch.Tensor, int]]:
        """Returns the kept pictures as (name, picture, iteration)."""
        return self._images

    def clear_images(self) -> None:
        """Forgets the kept pictures."""
        self._images = []

    def history(self, name: str) -> HistoryBuffer:
        """Returns the values of a metric; KeyError if it was never stored."""
        if name not in self._history:
            known = ", ".join(sorted(self._history)) or "none"
            raise KeyError(f"no metric '{name}' was stored; stored are: {known}")
        return self._history[name]

    def histories(self) -> dict[str, HistoryBuffer]:
        """Returns the values of all metrics by name."""
        return self._history

    def smoothing_hints(self) -> dict[str, bool]:
        """Returns by name whether a metric is reported smoothed."""
        return self._smoothing_hints

    def latest(self) -> dict[str, tuple[float, int]]:
        """Returns the last value of each metric and its iteration."""
        return self._latest

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Returns `latest()` with noisy metrics replaced by medians of `window_size` values."""
        return {
            name: (
                self._history[name].median(window_size) if self._smoothing_hints[name] else value,
                iteration,
            )
            for name, (value, iteration) in self._latest.items()
        }

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Prefixes the names of everything stored inside with "name/"."""
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
        """Reports what is there since the last call."""
        raise NotImplementedError

    def close(self) -> None:
        """Releases files."""


class JSONWriter(EventWriter):
    """Appends lines of JSON to a file: one object per iteration that has unreported values."""

    def __init__(self, json_file: str, window_size: int = 20):
        """
        Args:
            json_file: an existing file is continued.
            window_size: of the medians.
        """
        self._file = PathManager.open(json_file, "a")
        self._window_size = window_size
        self._last_written_iter = -1

    def write(self) -> None:
        rows: dict[int, dict[str, float]] = defaultdict(dict)
        latest = get_event_storage().latest_with_smoothing_hint(self._window_size)
        for name, (value, iteration) in latest.items():
            if iteration > self._last_written_iter:
                rows[iteration][name] = float(value)
        for iteration in sorted(rows):
            row = {**rows[iteration], "iteration": iteration}
            self._file.write(json.dumps(row, sort_keys=True) + "\n")
            self._last_written_iter = iteration
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class TensorboardXWriter(EventWriter):
    """Writes scalars and pictures to a TensorBoard log."""

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs):
        """
        Args:
            log_dir: folder of the log.
            window_size: of the medians.
            kwargs: further arguments of `torch.utils.tensorboard.SummaryWriter`.
        """
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(log_dir, **kwargs)
        self._window_size = window_size
        self._last_written_iter = -1

    def write(self) -> None:
        storage = get_event_storage()
        newest = self._last_written_iter
        for name, (value, iteration) in storage.latest_with_smoothing_hint(
            self._window_size
        ).items():
            if iteration > self._last_written_iter:
                self._writer.add_scalar(name, value, iteration)
                newest = max(newest, iteration)
        self._last_written_iter = newest
        for name, picture, iteration in storage.images():
            self._writer.add_image(name, picture, iteration)
        storage.clear_images()

    def close(self) -> None:
        self._writer.close()


class CommonMetricPrinter(EventWriter):
    """Logs one line with the time left, the losses, the times, the learning rate and the memory."""

    def __init__(self, max_iter: int | None = None, window_size: int = 20):
        """
        Args:
            max_iter: length of the run, for the estimate of the time left.
            window_size: of the medians.
        """
        self._logger = logging.getLogger("detectron2.utils.events")
        self._max_iter = max_iter
        self._window_size = window_size
        self._last_write: tuple[int, float] | None = None  # iteration, seconds

    def write(self) -> None:
        storage = get_event_storage()
        if storage.iter == self._max_iter:
            return  # the run is over; what is left are the metrics of the last evaluation
        parts = [
            self._eta(storage),
            f"iter: {storage.iter}",
            *self._losses(storage),
            *self._times(storage),
            self._learning_rate(storage),
            _peak_memory(),
        ]
        self._logger.info(" " + "  ".join(part for part in parts if part))

    def _eta(self, storage: EventStorage) -> str:
        seconds_per_iter = self._seconds_per_iter(storage)
        if self._max_iter is None or seconds_per_iter is None:
            return ""
        seconds = seconds_per_iter * (self._max_iter - storage.iter - 1)
        storage.put_scalar("eta_seconds", seconds, smoothing_hint=False)
        return f"eta: {datetime.timedelta(seconds=int(seconds))}"

    def _seconds_per_iter(self, storage: EventStorage) -> float | None:
        """Returns the median of the metric "time", or the pace since the last line without it."""
        if "time" in storage.histories():
            return storage.history("time").median(1000)
        now, before = (storage.iter, time.perf_counter()), self._last_write
        self._last_write = now
        if before is None or before[0] == now[0]:
            return None
        return (now[1] - before[1]) / (now[0] - before[0])

    def _losses(self, storage: EventStorage) -> list[str]:
        return [
            f"{name}: {history.median(self._window_size):.4g}"
            for name, history in storage.histories().items()
            if "loss" in name
        ]

    def _times(self, storage: EventStorage) -> list[str]:
        return [
            f"{name}: {storage.history(name).avg(self._window_size):.4f}"
            for name in ("time", "data_time")
            if name in storage.histories()
        ]

    def _learning_rate(self, storage: EventStorage) -> str:
        known = "lr" in storage.histories()
        return f"lr: {storage.history('lr').latest():.5g}" if known else ""


def _peak_memory() -> str:
    if not torch.cuda.is_available():
        return ""
    return f"max_mem: {torch.cuda.max_memory_allocated() / 2**20:.0f}M"
