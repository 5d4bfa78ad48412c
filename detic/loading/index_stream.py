"""The endless stream of image indices that all processes share, read at any place.

The stream is the concatenation of epochs, all drawn from one random generator. An element is known
by its position in the stream, so two processes that read the same position get the same image.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from detic.loading.sampling import DrawEpoch


class Epoch:
    """One epoch of the stream, linked to the next one.

    Epochs that nobody refers to any more are forgotten.

    Args:
        draw: makes the indices.
        generator_state: of the random generator before the draw.
        start: position of the first element in the stream.
    """

    def __init__(self, draw: DrawEpoch, generator_state: torch.Tensor, start: int = 0):
        generator = torch.Generator()
        generator.set_state(generator_state)
        self._draw = draw
        self.generator_state = generator_state
        self.start = start
        self.indices = draw(generator).to(torch.int32).numpy()
        self._state_after = generator.get_state()

    @classmethod
    def first(cls, draw: DrawEpoch, seed: int) -> "Epoch":
        """Return the beginning of the stream of a seed."""
        return cls(draw, torch.Generator().manual_seed(seed).get_state())

    @cached_property
    def following(self) -> "Epoch":
        """The next epoch; drawn once for all who read the stream."""
        return Epoch(self._draw, self._state_after, self.start + len(self.indices))


@dataclass(frozen=True)
class StreamElement:
    """An element of the stream: which image, and at which position of the stream."""

    position: int
    index: int


class StrideReader:
    """Reader of every ``stride``-th element of the stream.

    Args:
        epoch: where the next element is, or an epoch before.
        offset: of the next element from the start of that epoch.
        stride: distance between elements.
    """

    def __init__(self, epoch: Epoch, offset: int, stride: int):
        self.epoch = epoch
        self.offset = offset
        self._stride = stride

    def __iter__(self) -> "StrideReader":
        return self

    def __next__(self) -> StreamElement:
        while self.offset >= len(self.epoch.indices):
            self.offset -= len(self.epoch.indices)
            self.epoch = self.epoch.following
        element = StreamElement(
            self.epoch.start + self.offset, int(self.epoch.indices[self.offset])
        )
        self.offset += self._stride
        return element
