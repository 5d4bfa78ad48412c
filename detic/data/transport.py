"""Sending a batch from a worker process as one block of memory.

PyTorch passes each tensor of a batch in a shared memory file of its own. A batch of 32 images with
their boxes is a hundred files, and a few workers reach the limit on open files. Here a batch is two
objects: a string of bytes, and one tensor that holds all large arrays.
"""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch

LARGE = 2**15  # bytes; arrays from this size on go into the tensor
ALIGNMENT = 64  # bytes; where an array may start in it


@dataclass(frozen=True)
class PackedBatch:
    """A batch on its way."""

    structure: bytes  # everything but the large arrays
    large: torch.Tensor  # 1-d uint8
    sizes: tuple[int, ...]  # of the large arrays, bytes


class _Pickler(pickle.Pickler):
    """Writes CPU tensors as numpy arrays, whose memory pickle can leave out."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor):
            return torch.from_numpy, (obj.numpy(),)
        return NotImplemented


def pack_batch(batch: Any) -> PackedBatch:
    """Return a batch ready to be sent. It may consist of anything that can be pickled."""
    large: list[memoryview] = []

    def keep_small(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < LARGE:
            return True
        large.append(view)
        return False

    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=keep_small).dump(batch)
    sizes = tuple(view.nbytes for view in large)
    *starts, total = _bounds(sizes)
    memory = np.empty(total, dtype=np.uint8)
    for start, view in zip(starts, large, strict=True):
        memory[start : start + view.nbytes] = view
    return PackedBatch(stream.getvalue(), torch.from_numpy(memory), sizes)


def unpack_batch(packed: PackedBatch) -> Any:
    """Return the batch that was packed; its large tensors share one block of memory."""
    memory = packed.large.numpy()
    starts = _bounds(packed.sizes)[:-1]
    buffers = [memory[a : a + size] for a, size in zip(starts, packed.sizes, strict=True)]
    return pickle.loads(packed.structure, buffers=buffers)


def _bounds(sizes: Sequence[int]) -> list[int]:
    """Return where each array starts in the tensor, and the end of the last one."""
    return list(accumulate((-(-size // ALIGNMENT) * ALIGNMENT for size in sizes), initial=0))
