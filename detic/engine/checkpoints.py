"""Checkpoints of a running training: complete or not there at all, and always resumable."""

import logging
import time
from pathlib import Path
from typing import Any

import torch
from detectron2.utils import comm

from detic.errors import InputError
from detic.files import unfinished_path, write_text
from detic.plan.optimization import CheckpointParams

logger = logging.getLogger(__name__)

_POINTER = "last_checkpoint"  # file holding the newest checkpoint's name
ROLLING = "model_last"
FINAL = "model_final"

_CLOCK_PERIOD = 20  # iterations between looks at the clock, which all processes must agree on


class TrainingCheckpoints:
    """The checkpoints in one output folder, as detectron2 names them."""

    def __init__(self, folder: str | Path, params: CheckpointParams):
        self.folder = Path(folder)
        self.params = params
        self._saved_at = time.monotonic()

    def name_after(self, iterations: int) -> str | None:
        """Return the checkpoint to write after so many iterations, if one is due.

        All processes must ask alike: the main one's clock decides.
        """
        if iterations % self.params.period == 0:
            return f"model_{iterations - 1:07d}"
        if self.params.minutes <= 0 or iterations % _CLOCK_PERIOD:
            return None
        due = time.monotonic() - self._saved_at >= 60 * self.params.minutes
        return ROLLING if comm.all_gather(due)[0] else None

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Write ``state`` as ``<folder>/<name>.pth`` in the main process."""
        self._saved_at = time.monotonic()
        if not comm.is_main_process():
            return
        path = self.folder / f"{name}.pth"
        with unfinished_path(path) as unfinished:
            torch.save(state, unfinished)
        write_text(self.folder / _POINTER, path.name)
        logger.info("saved %s", path)

    def exist(self) -> bool:
        """Return whether a training has left checkpoints in the folder."""
        return (self.folder / _POINTER).is_file()

    def newest(self) -> Path | None:
        """Return the newest checkpoint, if there is one.

        Raises:
            InputError: the folder names a checkpoint that is missing.
        """
        if not self.exist():
            return None
        pointer = self.folder / _POINTER
        path = self.folder / pointer.read_text().strip()
        if not path.is_file():
            raise InputError(
                f"{str(pointer)!r} names {path.name!r}, which is missing; restore it, or write the name "
                "of another checkpoint into that file"
            )
        return path


def load_training_state(path: Path) -> dict[str, Any]:
    """Return what :meth:`TrainingCheckpoints.save` wrote.

    Raises:
        InputError: the file does not hold the state of a training.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    missing = {"model", "optimizer", "scheduler", "loader", "iteration"} - set(state)
    if missing:
        raise InputError(
            f"{str(path)!r} is not a training checkpoint (no {', '.join(sorted(missing))}); start from "
            "its weights with MODEL.WEIGHTS and without --resume"
        )
    return state
