"""Arrays that all processes of a machine read from one place in memory.

The arrays lie in a file without a name. Processes started by fork inherit it; those started by
spawn or forkserver receive its descriptor when the arrays are pickled to them; unrelated processes
of the same user open it through ``/proc``. Nothing is copied.
"""

import mmap
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes
# Mapped at once where that is possible, so that the memory is counted from the start
MAP_WHOLE = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


@dataclass(frozen=True)
class Place:
    """Where an array lies in the file."""

    offset: int  # bytes
    dtype: str
    shape: tuple[int, ...]


class SharedArrays(Mapping[str, np.ndarray]):
    """Read-only arrays by name; made by ``ArrayWriter``.

    Args:
        descriptor: of the file, which this object closes at its end.
        places: of the arrays.
    """

    def __init__(self, descriptor: int, places: dict[str, Place]):
        self._descriptor = descriptor
        self._places = places
        self._memory = mmap.mmap(descriptor, 0, flags=MAP_WHOLE, prot=mmap.PROT_READ)

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        count = int(np.prod(place.shape, dtype=np.int64))
        flat = np.frombuffer(self._memory, place.dtype, count, place.offset)
        return flat.reshape(place.shape)

    def __iter__(self):
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self):
        return _receive, (DupFd(self._descriptor), self._places)

    def __del__(self):
        os.close(self._descriptor)

    @property
    def handle(self) -> tuple[str, dict[str, Place]]:
        """What ``open_shared_arrays`` needs, in any process of this machine, to read along."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}", self._places


def open_shared_arrays(handle: tuple[str, dict[str, Place]]) -> SharedArrays:
    """Return the arrays that another process of this machine has made and still holds.

    Raises:
        OSError: this system has no ``/proc``, or does not let one process open another's files.
    """
    path, places = handle
    return SharedArrays(os.open(path, os.O_RDONLY), places)


def _receive(descriptor: Any, places: dict[str, Place]) -> SharedArrays:
    return SharedArrays(descriptor.detach(), places)


class ArrayWriter:
    """Collector of arrays for ``SharedArrays``, one after the other, that holds none of them."""

    def __init__(self):
        self._file = os.fdopen(new_file(), "wb")
        self._places: dict[str, Place] = {}

    def add(self, name: str, array: np.ndarray) -> None:
        """Write an array."""
        start = self._aligned_position()
        self._file.write(array.tobytes())
        self._places[name] = Place(start, array.dtype.str, array.shape)

    def add_chunks(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write pieces of bytes, and where each of them ends as ``<name>_ends``, (N,) int64."""
        start = self._aligned_position()
        sizes = [self._file.write(chunk) for chunk in chunks]
        self._places[name] = Place(start, "|u1", (sum(sizes),))
        self.add(f"{name}_ends", np.cumsum(sizes, dtype=np.int64))

    def finish(self) -> SharedArrays:
        """Return the arrays; nothing can be added any more."""
        with self._file:
            self._file.flush()
            return SharedArrays(os.dup(self._file.fileno()), self._places)

    def _aligned_position(self) -> int:
        self._file.write(b"\0" * (-self._file.tell() % ALIGNMENT))
        return self._file.tell()


def new_file() -> int:
    """Return the descriptor of an empty file without a name, in memory where that is possible."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("detic-records")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
