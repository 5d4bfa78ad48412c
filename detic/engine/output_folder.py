"""The output folder of a run: it can be written to, and one run at a time does."""

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

from detic.errors import InputError
from detic.files import is_unfinished, reason_of
from detic.paths import as_file_name

logger = logging.getLogger(__name__)

LOCK = ".running"  # says who writes to the folder, and is locked meanwhile

_FILES = (
    *("config.yaml", "log.txt", "metrics.json", "unreadable_images.txt"),
    *("last_checkpoint", "model_last.pth", "model_final.pth"),
)
_HELD = (BlockingIOError, PermissionError)  # the two ways in which systems refuse a lock


@contextmanager
def claimed_folder(folder: Path, test_sets: Sequence[str] = ()) -> Iterator[None]:
    """Make a folder, if need be, and keep other runs out of it.

    What a run that was killed has left half-written is removed. The system releases the lock of a
    process that dies.

    Args:
        folder: of the output.
        test_sets: names of the sets that are evaluated, which have folders in it.

    Raises:
        InputError: another run uses the folder, or it cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, and OUTPUT_DIR names a folder; name another one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(folder)
    except OSError as error:
        raise InputError(
            f"cannot write to the folder {folder}: {reason_of(error)}; name another OUTPUT_DIR"
        ) from error
    try:
        check_places(folder, test_sets)
        remove_unfinished(folder)
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        os.close(descriptor)  # after the file is gone: nobody locks one that is being removed


def check_places(folder: Path, test_sets: Sequence[str] = ()) -> None:
    """Check that nothing is in the way of the files and folders of a run.

    Raises:
        InputError: names the obstacle.
    """
    for path in (folder / name for name in _FILES):
        if path.is_dir():
            raise InputError(f"{path} is a folder, and a file has to go there; remove it")
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(
                f"{path} cannot be written: permission denied; name another OUTPUT_DIR"
            )
    for path in (folder / f"inference_{as_file_name(name)}" for name in test_sets):
        if path.exists() and not (path.is_dir() and os.access(path, os.W_OK)):
            raise InputError(f"{path} is no folder that can be written to; remove it")


def remove_unfinished(folder: Path) -> None:
    """Remove what killed runs, on whatever machine, were writing in a folder and in its test sets'."""
    candidates = chain(folder.iterdir(), folder.glob("inference_*/**/*"))
    found = [path for path in candidates if is_unfinished(path.name) and path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    if found:
        logger.info("removed %d half-written files of a run that was killed", len(found))


def _locked(folder: Path) -> int:
    """Return the descriptor of the folder's lock, which holds until it is closed.

    Raises:
        InputError: another run has it.
        OSError: the folder cannot be written to.
    """
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Belongs to this process alone: processes that are forked from it do not prolong it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except _HELD as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise InputError(
                f"{folder} is in use by {owner}; wait for its end, or name another OUTPUT_DIR"
            ) from error
        except OSError as error:
            logger.warning(
                "%s cannot be locked (%s): see to it that no other run writes there",
                *(folder, error.strerror),
            )
        if _is_current(descriptor, path):
            break
        os.close(descriptor)  # its owner has removed it meanwhile
    me = {"pid": os.getpid(), "host": socket.gethostname()}
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({**me, "since": since}).encode(), 0)
    return descriptor


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _owner(descriptor: int) -> str:
    try:
        said = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {said['pid']} on {said['host']}, since {said['since']}"
    except (ValueError, KeyError, TypeError):  # it has only just begun
        return "another run"
