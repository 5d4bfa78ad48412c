"""Checkpoints of a running training: complete or not there at all, and always resumable."""

import logging
import time
from pathlib import Path
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor

from detic.errors import InputError, in_short
from detic.files import reason_of, write_text
from detic.memory_errors import is_out_of_memory
from detic.plan.optimization import CheckpointParams
from detic.weight_files import write_checkpoint
from detic.weight_files.torch_archive import DamagedFile, check_torch_archive

logger = logging.getLogger(__name__)

POINTER = "last_checkpoint"  # file holding the newest checkpoint's name
ROLLING = "model_last"
FINAL = "model_final"

_CLOCK_PERIOD = 20  # iterations between looks at the clock, which all processes must agree on
_LONGEST_NAME = 255  # bytes

_CONTENT = {
    "model": dict,
    "optimizer": dict,
    "scheduler": dict,
    "scaler": dict,
    "loader": dict,
    "iteration": int,
    "seed": int,
}


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
        """Write ``state`` as ``<folder>/<name>.pth`` in the main process.

        Raises:
            InputError: it cannot be written; earlier checkpoints stay.
        """
        self._saved_at = time.monotonic()
        if not comm.is_main_process():
            return
        path = self.folder / f"{name}.pth"
        try:
            write_checkpoint(path, state)
        except InputError as error:
            raise InputError(
                f"{error}; earlier checkpoints stay: remove the obstacle, then continue from the last one "
                "with --resume"
            ) from error
        write_text(self.folder / POINTER, path.name)
        logger.info("saved %s", path)

    def exist(self) -> bool:
        """Return whether a training has left checkpoints in the folder."""
        return (self.folder / POINTER).is_file()

    def newest(self) -> Path | None:
        """Return the checkpoint that was saved last, if there is one.

        Raises:
            DamagedFile: the folder names a checkpoint that is missing, or none at all.
        """
        if not self.exist():
            return None
        pointer = self.folder / POINTER
        path = self.folder / _pointed_name(pointer)
        if not path.is_file():
            raise DamagedFile(
                f"{str(pointer)!r} names {path.name!r}, which is missing; restore it, or write the name "
                "of another checkpoint into that file"
            )
        return path

    def from_newest(self) -> list[Path]:
        """Return all checkpoints in the folder, by the times of the files."""
        found = [path for path in self.folder.glob("model_*.pth") if path.is_file()]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _pointed_name(pointer: Path) -> str:
    """Return the file name in a pointer, which is that of a checkpoint beside it.

    Raises:
        DamagedFile: it holds anything else.
    """
    with pointer.open("rb") as file:
        content = file.read(_LONGEST_NAME + 2)
    name = content.decode("utf-8", errors="replace").strip()
    if not name or not name.isprintable() or "\ufffd" in name or Path(name).name != name:
        raise DamagedFile(
            f"{str(pointer)!r} does not name a checkpoint beside it, it holds {content[:40]!r}; write "
            "the name of a checkpoint into that file"
        )
    return name


def load_training_state(path: Path) -> dict[str, Any]:
    """Return what :meth:`TrainingCheckpoints.save` wrote.

    Raises:
        DamagedFile: the file is damaged, or does not hold the state of a training.
        InputError: it cannot be read.
    """
    try:
        check_torch_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except DamagedFile:
        raise
    except Exception as error:  # torch and pickle each have exceptions of their own
        if is_out_of_memory(error):
            raise
        if isinstance(error, OSError):
            raise InputError(f"cannot read {path}: {reason_of(error)}") from error
        reason = in_short(str(error).split(". ", maxsplit=1)[0]) or type(error).__name__
        raise DamagedFile(f"{path} is damaged or no checkpoint: {reason}") from error
    content = state if isinstance(state, dict) else {}
    wrong = [name for name, kind in _CONTENT.items() if not isinstance(content.get(name), kind)]
    if "iteration" not in wrong and content["iteration"] < 0:
        wrong.append("iteration")
    if wrong or not (
        _are_tensors(content["model"]) and _are_tensors(content.get("trained_model", {}))
    ):
        raise DamagedFile(
            f"{str(path)!r} is not a training checkpoint (no {', '.join(wrong) or 'weights'}); start "
            "from its weights with MODEL.WEIGHTS and without --resume"
        )
    return content


def _are_tensors(weights: Any) -> bool:
    return isinstance(weights, dict) and all(isinstance(w, Tensor) for w in weights.values())
