"""The counts of run-length masks, and the text that compresses them.

Six bits a character, the lowest first. The fifth bit of the last character of a number is its sign,
the sixth one says that another character follows. From the fourth number on, what is stored is the
difference to the count before the last.

Source: the COCO API, https://github.com/cocodataset/cocoapi.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hotcoco import mask as rle

FIRST_CHARACTER = ord("0")
FOLLOWED, SIGN, VALUE_BITS = 0x20, 0x10, 5
FIRST_DIFFERENCE = 3  # from here on, a number is added to the count before the last
MAX_CHARACTERS = 10  # of a number: 50 bits


def run_lengths(counts: Any) -> list[int]:
    """Return the lengths of the runs of a mask, that of the background first.

    >>> run_lengths("04\\\\1")
    [0, 4, 44]

    Args:
        counts: the lengths, or a text that compresses them.

    Raises:
        ValueError: it is neither.
    """
    lengths = decompressed(counts) if isinstance(counts, str) else counts
    is_list = isinstance(lengths, list) and all(type(length) is int for length in lengths)
    if not is_list or min(lengths, default=0) < 0:
        raise ValueError(f"expected lengths of runs, not {str(counts)[:40]}")
    return lengths


def decompressed(text: str) -> list[int]:
    """Return the numbers in a text of compressed counts.

    Raises:
        ValueError: it has other characters, or ends in the middle of a number.
    """
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - FIRST_CHARACTER
        if not 0 <= bits < 2 * FOLLOWED:
            raise ValueError(f"{character!r} is no character of compressed counts")
        value |= (bits & (FOLLOWED - 1)) << shift
        shift += VALUE_BITS
        if bits & FOLLOWED:
            continue
        if bits & SIGN:
            value -= 1 << shift
        is_difference = len(numbers) >= FIRST_DIFFERENCE
        numbers.append(value + numbers[-2] if is_difference else value)
        value = shift = 0
    if shift:
        raise ValueError("the text ends in the middle of a number")
    return numbers


def are_sound(masks: Sequence[dict], sizes_hw: Sequence[tuple[int, int]]) -> bool:
    """Return whether compressed masks are of their images: sound texts that add up to the pixels.

    Args:
        masks: with ``size`` and ``counts``, a text; at least one.
        sizes_hw: of the image of each.
    """
    if [mask.get("size") for mask in masks] != list(map(list, sizes_hw)):
        return False
    try:
        rle.area(list(masks))  # knows negative counts, and those that end beyond the image
        num_pixels = [height * width for height, width in sizes_hw]
        return bool((_totals([mask["counts"] for mask in masks]) == num_pixels).all())
    except (ValueError, TypeError, OverflowError):
        return False


def _totals(texts: Sequence[str]) -> np.ndarray:
    """Return the sum of the counts of each text.

    M characters of N numbers in all T texts.

    Raises:
        ValueError: a text is empty, has other characters, or ends in the middle of a number.
    """
    characters = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8)  # (M,)
    bits = characters.astype(np.int64) - FIRST_CHARACTER
    text_ends = np.cumsum([len(text) for text in texts])
    is_last = (bits & FOLLOWED) == 0
    is_broken = bits.size == 0 or not is_last[text_ends - 1].all() or not all(texts)
    if is_broken or bits.min() < 0 or bits.max() >= 2 * FOLLOWED:
        raise ValueError("damaged counts")
    starts = np.flatnonzero(np.concatenate(([True], is_last[:-1])))  # (N,)
    sizes = np.diff(starts, append=bits.size)
    if sizes.max() > MAX_CHARACTERS:
        raise ValueError("damaged counts")
    shifts = VALUE_BITS * (np.arange(bits.size) - np.repeat(starts, sizes))
    stored = np.add.reduceat((bits & (FOLLOWED - 1)) << shifts, starts)
    is_negative = (bits[starts + sizes - 1] & SIGN) > 0
    stored -= is_negative.astype(np.int64) << (VALUE_BITS * sizes)
    return _sums_of_stored(stored, np.searchsorted(starts, text_ends))


def _sums_of_stored(stored: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the sum of the counts of each text, from the numbers that are stored.

    A stored number is a part of its count and of every second one after it, but the first is a part
    of its own alone.

    Args:
        stored: (N,) numbers of all texts.
        ends: (T,) where the numbers of each text end.
    """
    firsts = np.concatenate(([0], ends[:-1]))
    lengths = ends - firsts
    index = np.arange(stored.size) - np.repeat(firsts, lengths)
    times = (np.repeat(lengths, lengths) - 1 - index) // 2 + 1
    times[index == 0] = 1
    return np.add.reduceat(stored * times, firsts)
