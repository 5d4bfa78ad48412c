"""Checkpoints of a running training: complete or not there at all, and always resumable.

The training waits for a copy of its state in memory. A thread writes the copy meanwhile.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor

from detic.engine.host_memory import available_bytes, bytes_of_tensors, host_copy
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

_PERIODIC = re.compile(r"model_(\d{7,})\.pth")
_SPARE_BYTES = 2**29  # of memory, besides the copy of a state
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
        self._writer: threading.Thread | None = None
        self._failure: BaseException | None = None  # of the writer

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
        """Begin to write ``state`` as ``<folder>/<name>.pth`` in the main process.

        The state may change as soon as this returns. Without memory for a copy, it returns when
        the file is complete.

        Raises:
            InputError: this checkpoint, or the one before, cannot be written; earlier ones stay.
        """
        self._saved_at = time.monotonic()
        if not comm.is_main_process():
            return
        self.wait()
        copied = _copy_if_possible(state)
        if copied is None:
            self._write(name, state)
            return
        self._writer = threading.Thread(target=self._write_aside, args=(name, copied))
        self._writer.start()

    def wait(self) -> None:
        """Wait until the last checkpoint is complete.

        Raises:
            InputError: it cannot be written; earlier ones stay.
        """
        if self._writer is not None:
            self._writer.join()
        self.check()

    def check(self) -> None:
        """Raise what has gone wrong since the last call while a checkpoint was written."""
        if self._writer is not None and not self._writer.is_alive():
            self._writer = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    @contextmanager
    def completed(self) -> Iterator[None]:
        """Wait for the last checkpoint at the end of a block, however that ends.

        Raises:
            InputError: as ``wait`` does. An exception of the block goes on; the log tells the other.
        """
        try:
            yield
        except BaseException:
            try:
                self.wait()
            except Exception as error:
                logger.error("%s", error)
            raise
        self.wait()

    def _write_aside(self, name: str, state: dict[str, Any]) -> None:
        try:
            self._write(name, state)
        except BaseException as error:  # raised where the training can end
            self._failure = error

    def _write(self, name: str, state: dict[str, Any]) -> None:
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
        self._remove_before(path.name)

    def _remove_before(self, newest: str) -> None:
        """Remove periodic checkpoints before the newest, all but the last few."""
        match = _PERIODIC.fullmatch(newest)
        if not self.params.keep or match is None:
            return
        numbers = (_PERIODIC.fullmatch(path.name) for path in self.folder.glob("model_*.pth"))
        earlier = [found for found in numbers if found and int(found[1]) < int(match[1])]
        earlier.sort(key=lambda found: int(found[1]), reverse=True)
        for found in earlier[self.params.keep - 1 :]:
            try:
                (self.folder / found[0]).unlink(missing_ok=True)
            except OSError as error:
                logger.warning("%s cannot be removed: %s", self.folder / found[0], error)

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


def _copy_if_possible(state: dict[str, Any]) -> dict[str, Any] | None:
    """Return a copy of a state in the memory of the machine; None if that is short."""
    needed, available = bytes_of_tensors(state), available_bytes()
    if available is None or needed + _SPARE_BYTES <= available:
        try:
            return host_copy(state)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
    logger.warning(
        "memory is short for a copy of the training's state (%d MB): the training waits while the "
        "checkpoint is written",
        needed // 10**6,
    )
    return None


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
