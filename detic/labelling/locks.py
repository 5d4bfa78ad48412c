"""Locks: of processes that would do the same work, one does it.

A lock is on a file. The system gives it back when its process ends, however it ends. Where a shared file
system knows no locks, two machines may do the same work, and both end with the same file.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detic.files import writing

_TRIES, _PAUSE_S = 5, 0.01


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Yield whether this process has the lock, until the end of the block.

    Args:
        path: of the lock's file, which is removed at the end.
        wait: until the process that has it gives it back.

    Raises:
        InputError: the file cannot be made.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        has_it = _lock(file, fcntl.LOCK_EX) if wait else _try_to_lock(file)
        yield has_it
        if has_it:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Return whether a process has a lock."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(file)


def _try_to_lock(file: int) -> bool:
    """Lock a file; more than once, as ``is_locked`` of another process holds it for a moment."""
    for _ in range(_TRIES):
        if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
        time.sleep(_PAUSE_S)
    return False


def _lock(file: int, operation: int) -> bool:
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
