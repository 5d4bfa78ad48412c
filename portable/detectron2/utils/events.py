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
import itertools
import json
import logging
import os
from collections.abc import Iterator

import torch
from detectron2.utils.file_io import PathManager
from fvcore.common.history_buffer import HistoryBuffer

# Values on an accelerator that wait to be read, if nobody asks for them
_MAX_UNREAD = 10_000

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
        self._iter = start_iter
        self._history: dict[str, HistoryBuffer] = {}
        self._smoothing_hints: dict[str, bool] = {}
        self._latest: dict[str, tuple[float, int]] = {}
        self._unread: list[tuple[str, float | torch.Tensor, int, bool]] = []
        self._images: list[tuple[str, torch.Tensor, int]] = []
        self._histograms: list[dict] = []
        self._prefix = ""

    @property
    def iter(self) -> int:
        """Number of the current iteration."""
        return self._iter

    @iter.setter
    def iter(self, value: int) -> None:
        self._iter = int(value)

    @property
    def iteration(self) -> int:
        """The same as `iter`."""
        return self._iter

    def step(self) -> None:
        """Move on to the next iteration."""
        self._iter += 1

    def put_scalar(
        self,
        name: str,
        value: float | torch.Tensor,
        smoothing_hint: bool = True,
        cur_iter: int | None = None,
    ) -> None:
        """Store the value of a metric in the iteration `cur_iter`, None for the current one.

        With `smoothing_hint` the metric is noisy: a median of recent values is reported. A tensor on
        an accelerator is read when somebody asks for metrics, so that storing it waits for nothing.
        """
        on_accelerator = isinstance(value, torch.Tensor) and value.device.type != "cpu"
        value = value.detach().reshape(()) if on_accelerator else float(value)
        iteration = self._iter if cur_iter is None else cur_iter
        self._unread.append((self._prefix + name, value, iteration, smoothing_hint))
        if len(self._unread) >= _MAX_UNREAD:
            self._read()

    def _read(self) -> None:
        """Bring what was stored since the last call into the histories, in one transfer."""
        unread, self._unread = self._unread, []
        tensors = [value.double() for _, value, _, _ in unread if isinstance(value, torch.Tensor)]
        numbers = iter(torch.stack(tensors).tolist() if tensors else ())
        for name, value, iteration, smoothing_hint in unread:
            number = next(numbers) if isinstance(value, torch.Tensor) else value
            self._history.setdefault(name, HistoryBuffer()).update(number, iteration)
            self._latest[name] = (number, iteration)
            self._smoothing_hints[name] = smoothing_hint

    def put_scalars(
        self, *, smoothing_hint: bool = True, cur_iter: int | None = None, **kwargs: float
    ) -> None:
        """Store several metrics, given by name."""
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint=smoothing_hint, cur_iter=cur_iter)

    def put_image(self, img_name: str, img_tensor: torch.Tensor) -> None:
        """Store an image (C, H, W), uint8 or float in [0, 1], for writers that show images."""
        self._images.append((img_name, img_tensor, self._iter))

    def clear_images(self) -> None:
        """Forget the images, after writing them."""
        self._images = []

    def put_histogram(self, hist_name: str, hist_tensor: torch.Tensor, bins: int = 1000) -> None:
        """Store how the values of a tensor are distributed, for writers that show that."""
        values = hist_tensor.detach().float().cpu()
        low, high = values.min().item(), values.max().item()
        counts = torch.histc(values, bins=bins)
        entry = {
            "tag": hist_name,
            "min": low,
            "max": high,
            "num": values.numel(),
            "sum": values.sum().item(),
            "sum_squares": values.square().sum().item(),
            "bucket_limits": torch.linspace(low, high, bins + 1)[1:].tolist(),
            "bucket_counts": counts.tolist(),
            "global_step": self._iter,
        }
        self._histograms.append(entry)

    def clear_histograms(self) -> None:
        """Forget the histograms, after writing them."""
        self._histograms = []

    def history(self, name: str) -> HistoryBuffer:
        """Return the values of a metric."""
        return self.histories()[name]

    def histories(self) -> dict[str, HistoryBuffer]:
        """Return the values of every metric."""
        self._read()
        return self._history

    def smoothing_hints(self) -> dict[str, bool]:
        """Return which metrics are noisy."""
        self._read()
        return self._smoothing_hints

    def latest(self) -> dict[str, tuple[float, int]]:
        """Return the last value of each metric and its iteration."""
        self._read()
        return self._latest

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Return `latest()` with noisy metrics replaced by medians of `window_size` values.

        A metric that is not stored in every iteration has fewer values: those of the last
        `window_size` iterations.
        """
        latest = dict(self.latest())
        for name, (_, iteration) in self._latest.items():
            if self._smoothing_hints[name]:
                count = self.count_samples(name, window_size)
                latest[name] = (self._history[name].median(count), iteration)
        return latest

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """Return how many values a metric has in the `window_size` iterations before its last."""
        iterations = [iteration for _, iteration in self.history(name).values()]
        return sum(iteration > iterations[-1] - window_size for iteration in iterations)

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
    """Writes scalars, images and histograms to a TensorBoard log."""

    def __init__(self, log_dir: str, window_size: int = 20, **kwargs):
        """Open a log in `log_dir`; `kwargs` are further ones of tensorboard's `SummaryWriter`."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(log_dir, **kwargs)
        self._unwritten = _Unwritten(window_size)

    def write(self) -> None:
        for iteration, name, value in self._unwritten.take():
            self._writer.add_scalar(name, value, iteration)
        storage = get_event_storage()
        for name, image, iteration in storage._images:
            self._writer.add_image(name, image, iteration)
        for histogram in storage._histograms:
            self._writer.add_histogram_raw(**histogram)
        storage.clear_images()
        storage.clear_histograms()

    def close(self) -> None:
        self._writer.close()


class CommonMetricPrinter(EventWriter):
    """Logs a line with the time that is left, the losses, times, learning rate and memory.

    It knows metrics whose names contain "loss", and "time", "data_time" (seconds) and "lr".
    """

    def __init__(self, max_iter: int | None = None, window_size: int = 20):
        """Take the number of iterations of the run, and how many values a median is over."""
        self._max_iter = max_iter
        self._window_size = window_size
        self._logger = logging.getLogger("detectron2.utils.events")

    def write(self) -> None:
        storage = get_event_storage()
        if storage.iter == self._max_iter:
            return  # a last call after the loop has nothing to tell
        parts = [f"iter: {storage.iter}"]
        latest = storage.latest_with_smoothing_hint(self._window_size)
        parts += [f"{name}: {value:.4g}" for name, (value, _) in latest.items() if "loss" in name]
        for name in ("time", "data_time"):
            if name in latest:
                parts.append(f"{name}: {latest[name][0]:.4f} s")
        if "lr" in latest:
            parts.append(f"lr: {storage.latest()['lr'][0]:.5g}")
        if "time" in latest and self._max_iter is not None:
            seconds = storage.history("time").median(1000) * (self._max_iter - storage.iter - 1)
            parts.insert(0, f"eta: {datetime.timedelta(seconds=int(seconds))}")
        if torch.cuda.is_available():
            parts.append(f"max_mem: {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")
        self._logger.info("  ".join(parts))
