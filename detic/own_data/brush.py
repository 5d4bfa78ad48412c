"""Brushes: masks as Label Studio packs them, lists of bytes.

Their bits are: 32 with the number of values, 5 with their width less one, four times 4 with the widths
of lengths less one. Then runs: a bit that says whether it repeats one value, 2 with which width of
lengths, its length less one, then one value or all of them. Values are those of an image with red,
green, blue and opacity, pixel by pixel and row by row.

Source: the package rle-pack of thi.ng, https://github.com/thi-ng/umbrella.

Shapes: H x W image.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

MAX_PIXELS = 2**28
CHANNELS = 4
_VALUE_BITS = 8
_LENGTH_BITS = (3, 6, 10, 16)  # a run takes the first that holds its length


def encode_brush(mask: np.ndarray) -> list[int]:
    """Return a brush that covers a mask (H, W) bool.

    >>> decode_brush(encode_brush(np.array([[False, True]])), (1, 2)).tolist()
    [[0, 255]]
    """
    widths = "".join(f"{width - 1:04b}" for width in _LENGTH_BITS)
    bits = f"{mask.size * CHANNELS:032b}{_VALUE_BITS - 1:05b}{widths}" + "".join(_runs(mask))
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _runs(mask: np.ndarray) -> Iterator[str]:
    """Yield the bits of each run; all of them repeat one value."""
    pixels = mask.ravel()
    starts = np.flatnonzero(np.diff(pixels, prepend=~pixels[:1]))
    lengths = np.diff(starts, append=pixels.size) * CHANNELS
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = f"{255 if pixels[start] else 0:0{_VALUE_BITS}b}"
        while length:
            taken = min(length, 1 << _LENGTH_BITS[-1])
            choice = next(i for i, width in enumerate(_LENGTH_BITS) if taken <= 1 << width)
            yield f"1{choice:02b}{taken - 1:0{_LENGTH_BITS[choice]}b}{value}"
            length -= taken


def decode_brush(numbers: list[int], size_hw: tuple[int, int]) -> np.ndarray:
    """Return the opacity (H, W) uint8 of a brush.

    Raises:
        ValueError: it ends early, or is no image of this size.
    """
    bits = _Bits(numbers)
    height, width = size_hw
    count = bits.read(32)
    if count != height * width * CHANNELS or height * width > MAX_PIXELS:
        raise ValueError(f"it has {count} values; expected {height} x {width} x {CHANNELS}")
    value_bits = bits.read(5) + 1
    length_bits = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, dtype=np.uint8)
    start = 0
    while start < count:
        is_repeated = bits.read(1)
        end = start + 1 + bits.read(length_bits[bits.read(2)])
        if is_repeated:
            values[start:end] = bits.read(value_bits)
        else:
            values[start:end] = [bits.read(value_bits) for _ in range(start, min(end, count))]
        start = end
    return values.reshape(height, width, CHANNELS)[..., -1]


class _Bits:
    """Numbers of some bits each, one after the other."""

    def __init__(self, numbers: Any):
        self._bits = np.unpackbits(np.array(numbers, dtype=np.uint8))
        self._next = 0

    def read(self, count: int) -> int:
        end = self._next + count
        if end > len(self._bits):
            raise ValueError("its run lengths end early")
        taken = self._bits[self._next : end]
        self._next = end
        return int(taken.dot(1 << np.arange(count - 1, -1, -1, dtype=np.int64)))
