"""Batches in which no image changes what is found in another.

Images of different sizes share a batch by padding, and what lies in the padding reaches into the maps
of the network: a wider neighbour changes scores by hundredths.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from detic.errors import InputError
from detic.memory_errors import is_out_of_memory
from detic.modeling.build import DetectionModel
from detic.modeling.request import DetectionRequest

T = TypeVar("T")


class OutOfMemory(InputError):
    """Images that need more memory than there is.

    Args:
        sizes_hw: of the images that went through the network together, pixels.
    """

    def __init__(self, sizes_hw: Sequence[tuple[int, int]]):
        sizes = ", ".join(f"{width} x {height}" for height, width in sizes_hw)
        super().__init__(
            f"detection in {sizes} pixels needs more memory than there is; make the images smaller, "
            "or give fewer at once"
        )


@contextmanager
def naming_out_of_memory(sizes_hw: Sequence[tuple[int, int]]) -> Iterator[None]:
    """Turn whatever tells that memory ran out into OutOfMemory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(sizes_hw) from error


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of ``size``, the last one maybe shorter, as they come."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def detect_alike(
    model: DetectionModel, inputs: Sequence[dict], request: DetectionRequest
) -> list[dict]:
    """Return the model's output of each input: of those whose padded sizes are equal, in one batch.

    Args:
        inputs: as the model takes them, with ``image``, ``height`` and ``width``.
    """
    outputs: dict[int, dict] = {}
    for group in _groups(inputs, lambda x: model.padded_size_hw(tuple(x["image"].shape[-2:]))):
        found = model.inference([inputs[i] for i in group], request)
        outputs |= zip(group, found, strict=True)
    return [outputs[i] for i in range(len(inputs))]


def _groups(items: Sequence[T], key_of: Callable[[T], object]) -> Iterable[list[int]]:
    """Return the places of the items with equal keys."""
    groups = defaultdict(list)
    for i, item in enumerate(items):
        groups[key_of(item)].append(i)
    return groups.values()
