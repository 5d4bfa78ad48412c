"""Memory that processes share through files without names.

Arrays that all processes of a machine read lie in one such file. Processes started by fork inherit
it; those started by spawn or forkserver receive its descriptor when the arrays are pickled to them;
unrelated processes of the same user open it through ``/proc``. Nothing is copied.

A batch that a worker process sends lies in another one: its large arrays, each written as soon as it
is made. PyTorch makes a file of each tensor in ``/dev/shm``, where containers have 64 MiB: less than
two batches of 32 images of 640 x 640 pixels. By default it keeps a descriptor open for each, too.
"""

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
import torch

ALIGNMENT = 64  # bytes
LARGE = 2**15  # bytes; arrays of a batch from this size on go into its file
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
        self._file = os.fdopen(_new_file("detic-arrays"), "wb")
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


@dataclass(frozen=True)
class PackedItem:
    """One item of a batch on its way."""

    structure: bytes  # pickled, without the large arrays
    places: tuple[tuple[int, int], ...]  # start and size of those in the file, bytes


@dataclass(frozen=True)
class PackedBatch:
    """A batch on its way."""

    items: list[PackedItem]
    file: Any  # a descriptor that can be sent to another process


class _Pickler(pickle.Pickler):
    """A pickler that writes CPU tensors as numpy arrays, whose memory pickle can leave out."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor):
            return torch.from_numpy, (obj.numpy(),)
        return NotImplemented


def pack_batch(items: Iterable) -> PackedBatch:
    """Return items ready to be sent to another process; whatever can be pickled will do.

    Items are written one by one, so those of an iterator need not be in memory together.
    """
    with os.fdopen(_new_file("detic-batch"), "wb") as file:
        packed = [_pack_item(item, file) for item in items]
        file.write(b"\0")  # an empty file could not be mapped
        file.flush()
        return PackedBatch(packed, DupFd(file.fileno()))


def _pack_item(item: Any, file: io.BufferedWriter) -> PackedItem:
    places = []

    def keep_small(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < LARGE:
            return True
        file.write(b"\0" * (-file.tell() % ALIGNMENT))
        places.append((file.tell(), view.nbytes))
        file.write(view)
        return False

    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=keep_small).dump(item)
    return PackedItem(stream.getvalue(), tuple(places))


def unpack_batch(packed: PackedBatch) -> list:
    """Return the items that were packed; can be done once."""
    descriptor = packed.file.detach()
    try:
        memory = memoryview(mmap.mmap(descriptor, 0))
    finally:
        os.close(descriptor)
    return [
        pickle.loads(
            item.structure, buffers=[memory[start : start + size] for start, size in item.places]
        )
        for item in packed.items
    ]


def _new_file(label: str) -> int:
    """Return the descriptor of an empty file without a path, in memory where that is possible.

    Args:
        label: what ``/proc`` calls it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(label)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
