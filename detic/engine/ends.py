"""How a run ends that does not come to its end: by signals, without memory, without its workers.

Exit statuses: 0 if it has ended or saved itself, 2 after a message that says what to do, 128 and
the number of the signal where one ended it, as shells report that.
"""

import errno
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from detectron2.utils import comm

from detic.errors import InputError
from detic.files import reason_of
from detic.memory_errors import is_out_of_memory

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SIGNALLED = 128  # added to the number of the signal that ended a process


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """End the program with status 143 on SIGTERM, after whatever cleans up.

    A training loop replaces this while it runs: it saves, and ends with status 0.
    """
    # Python lets the main thread alone decide what becomes of signals.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _end(signum: int, frame: Any) -> None:
    if comm.is_main_process():
        sys.stderr.write("stopped by SIGTERM; nothing was saved since the last checkpoint\n")
    sys.exit(SIGNALLED + signum)


@contextmanager
def explained_ends() -> Iterator[None]:
    """Turn errors of the system that a user can do something about into messages.

    Raises:
        InputError: memory or room on a disk ran out, or a process that reads images was killed.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if is_out_of_memory(error):
            raise InputError(_out_of_memory(error)) from error
        if re.search(r"DataLoader worker .*(killed|exited|Bus error)", str(error)):
            raise InputError(_dead_worker(error)) from error
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise InputError(_no_room(error)) from error
        raise


def tell_full_disks_once() -> None:
    """Keep threads from printing that a disk is full: the main thread meets the same error."""

    def report(args: threading.ExceptHookArgs, report_others=threading.excepthook) -> None:
        if not (isinstance(args.exc_value, OSError) and args.exc_value.errno in _NO_ROOM):
            report_others(args)

    threading.excepthook = report


def _out_of_memory(error: BaseException) -> str:
    return (
        f"out of memory ({_first_line(error)}); lower the batch (SOLVER.IMS_PER_BATCH, or DATALOADER.DATASET_BS; "
        "SOLVER.ACCUMULATE stands in for it), the image size (INPUT.TRAIN_SIZE, INPUT.MIN_SIZE_TEST) "
        "or DATALOADER.NUM_WORKERS, then continue from the last checkpoint with --resume"
    )


def _dead_worker(error: BaseException) -> str:
    return (
        f"a process that reads images has died ({_first_line(error)}); the usual reason is that memory ran out: "
        "lower DATALOADER.NUM_WORKERS, in containers raise --shm-size, then continue from the last "
        "checkpoint with --resume"
    )


def _no_room(error: OSError) -> str:
    return (
        f"cannot write {error.filename or 'a file'}: {reason_of(error)}; make room, then continue "
        "from the last checkpoint with --resume, or the evaluation with --resume-eval"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")
