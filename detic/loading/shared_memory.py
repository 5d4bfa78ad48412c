"""Batches on their way from a worker process, in files without names.

Such a file has the large arrays of a batch, each written as soon as it is made. PyTorch makes a file
of each tensor in ``/dev/shm``, where containers have 64 MiB: less than two batches of 32 images of
640 x 640 pixels. By default it keeps a descriptor open for each, too.
"""

import io
import mmap
import os
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any

import torch

from detic.shared_arrays import ALIGNMENT, file_without_name

LARGE = 2**15  # bytes; arrays of a batch from this size on go into its file


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
    with os.fdopen(file_without_name("detic-batch"), "wb") as file:
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
