"""Arrays that all processes of a machine read, in a file without a name.

Processes started by fork inherit it; those started by spawn or forkserver receive its descriptor
when the arrays are pickled to them; unrelated processes of the same user open it through ``/proc``.
Nothing is copied.
"""

import io
import math
import mmap
import os
import pickle
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

ALIGNMENT = 64  # bytes
DTYPES = ("|b1", "|u1", "<i4", "<i8", "<f4", "<f8")  # of arrays that are kept in files
# Mapped at once where that is possible, so that the memory is counted from the start
MAP_WHOLE = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)


@dataclass(frozen=True)
class Place:
    """Where an array lies in the file."""

    offset: int  # bytes
    dtype: str
    shape: tuple[int, ...]

    def is_within(self, size: int) -> bool:
        """Return whether the array lies in a file of so many bytes; it may be one of a stranger."""
        numbers = [self.offset, *self.shape]
        if not all(type(number) is int and 0 <= number <= size for number in numbers):
            return False
        if self.dtype not in DTYPES:
            return False
        return self.offset + math.prod(self.shape) * np.dtype(self.dtype).itemsize <= size


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
    def places(self) -> dict[str, Place]:
        """Where each array lies in ``content``."""
        return self._places

    @property
    def content(self) -> memoryview:
        """The whole file."""
        return memoryview(self._memory)

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


class ArrayReceiver:
    """Receiver of the content of ``SharedArrays``, piece by piece."""

    def __init__(self):
        self._file = os.fdopen(file_without_name("detic-arrays"), "wb")

    def write(self, content: bytes) -> None:
        self._file.write(content)

    def finish(self, places: dict[str, Place]) -> SharedArrays:
        """Return the arrays at these places, which are within the content."""
        with self._file:
            self._file.flush()
            return SharedArrays(os.dup(self._file.fileno()), places)


class ArrayWriter:
    """Collector of arrays for ``SharedArrays``, one after the other, that holds none of them."""

    def __init__(self):
        self._file = os.fdopen(file_without_name("detic-arrays"), "wb")
        self._places: dict[str, Place] = {}

    def add(self, name: str, array: np.ndarray) -> None:
        """Write an array."""
        start = self._aligned_position()
        self._file.write(np.ascontiguousarray(array) if array.size else b"")
        self._places[name] = Place(start, array.dtype.str, array.shape)

    def add_joined(self, name: str, parts: Iterable[np.ndarray], dtype: DTypeLike) -> None:
        """Write arrays of one dimension, one after the other, as one."""
        start = self._aligned_position()
        sizes = [self._file.write(part) // part.itemsize for part in parts if part.size]
        self._places[name] = Place(start, np.dtype(dtype).str, (sum(sizes),))

    def add_chunks(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write pieces of bytes, and where each of them ends as ``<name>_ends``, (N,) int64."""
        start = self._aligned_position()
        sizes = [self._file.write(chunk) for chunk in chunks]
        self._places[name] = Place(start, "|u1", (sum(sizes),))
        self.add(f"{name}_ends", np.cumsum(sizes, dtype=np.int64))

    def finish(self) -> SharedArrays:
        """Return the arrays; nothing can be added any more."""
        with self._file:
            self._file.write(b"\0")  # an empty file could not be mapped
            self._file.flush()
            return SharedArrays(os.dup(self._file.fileno()), self._places)

    def _aligned_position(self) -> int:
        self._file.write(b"\0" * (-self._file.tell() % ALIGNMENT))
        return self._file.tell()


def file_without_name(label: str) -> int:
    """Return the descriptor of an empty file without a path, in memory where that is possible.

    Args:
        label: what ``/proc`` calls it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(label)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def handle_of(value: Any) -> bytes:
    """Return what ``from_handle`` makes the same value of, in any process of this machine."""
    stream = io.BytesIO()
    _HandlePickler(stream).dump(value)
    return stream.getvalue()


def from_handle(handle: bytes) -> Any:
    """Return a value of another process of this machine, which still holds it.

    Args:
        handle: made by ``handle_of`` in a process of the same job.

    Raises:
        OSError: this system has no ``/proc``, or does not let one process open another's files.
    """
    return pickle.loads(handle)


class _HandlePickler(pickle.Pickler):
    """A pickler that writes shared arrays as the place where another process finds them."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, SharedArrays):
            return open_shared_arrays, (obj.handle,)
        return NotImplemented
