"""What a training says while it runs."""

import itertools
import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from detectron2.utils.events import EventStorage, EventWriter, get_event_storage

from detic.errors import InputError
from detic.files import reason_of

# The name is part of each line, which is to fit a terminal.
logger = logging.getLogger("detic.train")

_WINDOW = 20  # iterations
_WIDTH = 84  # characters of a message, so that the line in log.txt has 120


class ProgressLine(EventWriter):
    """Two lines in the log: how far, how long still, how fast; then the losses, largest first.

    Losses are means over the last iterations. Where batches of several kinds take turns each has the
    losses of all kinds, 0 for those of others, so the last values alone would jump. Those of the
    stages of a cascade are one. What does not fit the line is in metrics.json.
    """

    def __init__(self, max_iter: int):
        self.max_iter = max_iter

    def write(self) -> None:
        storage = get_event_storage()
        logger.info(_fitting(self._course(storage)))
        losses = sorted(_losses(storage).items(), key=lambda loss: (-loss[1], loss[0]))
        if losses:
            logger.info(_fitting([f"{name} {value:.3f}" for name, value in losses]))

    def _course(self, storage: EventStorage) -> list[str]:
        latest = {name: value for name, (value, _) in storage.latest().items()}
        done = storage.iter + 1
        minutes, seconds = divmod(
            int(storage.history("time").avg(100) * (self.max_iter - done)), 60
        )
        waiting = storage.history("data_time").avg(_WINDOW) / max(
            storage.history("time").avg(_WINDOW), 1e-9
        )
        parts = [
            f"iteration {done}/{self.max_iter}",
            f"eta {minutes // 60}:{minutes % 60:02d}:{seconds:02d}",
            f"total_loss {storage.history('total_loss').avg(_WINDOW):.3f}",
            f"lr {latest['lr']:.1e}",
            f"{storage.history('images_per_second').avg(_WINDOW):.1f} img/s",
            f"data {100 * waiting:.0f}%",
        ]
        if torch.cuda.is_available():
            parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        return parts


def _losses(storage: EventStorage) -> dict[str, float]:
    """Return the losses by name, without their total and summed over the stages of a cascade."""
    losses: dict[str, float] = {}
    for name, history in storage.histories().items():
        if "loss" in name and "/" not in name and name != "total_loss":
            name = re.sub(r"_stage\d+$", "", name)
            losses[name] = losses.get(name, 0.0) + history.avg(_WINDOW)
    return losses


def _fitting(parts: list[str]) -> str:
    """Return as many of the first parts as fit a line."""
    ends = itertools.accumulate(len(part) + 2 for part in parts)
    return "  ".join(part for part, end in zip(parts, ends, strict=True) if end - 2 <= _WIDTH)


class NewValues:
    """What a training has measured since it was last asked for.

    Where several values came meanwhile, medians stand for them.
    """

    def __init__(self) -> None:
        self._reported = -1  # the last iteration

    def take(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield iterations and their values by name; each iteration is given once."""
        latest = get_event_storage().latest_with_smoothing_hint(_WINDOW)
        iterations = sorted({i for _, i in latest.values() if i > self._reported})
        for iteration in iterations:
            values = {name: value for name, (value, i) in latest.items() if i == iteration}
            self._reported = iteration
            yield iteration, values


class MetricsFile(EventWriter):
    """One JSON object a line for each iteration that is reported; numbers that are none are null."""

    def __init__(self, path: Path):
        self.path = path
        self._new_values = NewValues()
        _cut_after_last_line(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self) -> None:
        """Write what came since the last call.

        Raises:
            InputError: the file cannot be written.
        """
        for iteration, values in self._new_values.take():
            self._write_line({**values, "iteration": iteration})

    def close(self) -> None:
        self._file.close()

    def _write_line(self, values: Mapping[str, float]) -> None:
        finite = {n: float(v) if math.isfinite(v) else None for n, v in values.items()}
        try:
            self._file.write(json.dumps(finite, sort_keys=True, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {reason_of(error)}; remove the obstacle, then continue "
                "from the last checkpoint with --resume"
            ) from error


def _cut_after_last_line(path: Path) -> None:
    """Cut off the line that a killed run was writing, so that the next starts a line of its own."""
    if path.is_file():
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
