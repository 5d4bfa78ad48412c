"""Masks of one image that are kept as what lies inside their boxes.

Shapes: N masks, H x W image, h x w window of a mask.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from hotcoco import mask as rle

MAX_ARRAY_BYTES = 2**24  # of several masks that ``paste_in_parts`` has as an array


@dataclass(frozen=True, eq=False)
class MaskWindow:
    """The pixels of a mask in the smallest rectangle that has them all."""

    x: int  # of the rectangle's left column in the image
    y: int  # of its top row
    pixels: np.ndarray  # (h, w) bool; (0, 0) of an empty mask


class CompactMasks:
    """Masks of an image of H x W pixels, in memory that does not grow with the image.

    They read like an array (N, H, W) of bool: ``masks[3]`` is one (H, W), ``masks[rows]`` several, still
    compact; they can be gone through one by one, and ``np.asarray(masks)`` makes the array.

    >>> masks = CompactMasks.of(np.array([[[False, True], [True, True]]]), (100, 200), offset_xy=(50, 7))
    >>> masks.shape, masks.areas.tolist(), bool(masks[0][7, 51])
    ((1, 100, 200), [3], True)

    Args:
        windows: N.
        image_size_hw: pixels.
    """

    dtype = np.dtype(bool)
    ndim = 3

    def __init__(self, windows: Sequence[MaskWindow], image_size_hw: tuple[int, int]):
        self.image_size_hw = image_size_hw
        self._packed = [
            (w.x, w.y, w.pixels.shape, np.packbits(w.pixels, axis=None)) for w in windows
        ]

    @classmethod
    def of(
        cls, masks: np.ndarray, image_size_hw: tuple[int, int], offset_xy: tuple[int, int] = (0, 0)
    ) -> "CompactMasks":
        """Return masks (N, h, w) bool of a part of the image that begins at ``offset_xy``."""
        x, y = offset_xy
        windows = (mask_window(masks, row) for row in range(len(masks)))
        return cls([MaskWindow(x + w.x, y + w.y, w.pixels) for w in windows], image_size_hw)

    @property
    def shape(self) -> tuple[int, int, int]:
        """As of the array that these masks stand for."""
        return (len(self), *self.image_size_hw)

    @property
    def boxes_xyxy(self) -> np.ndarray:
        """The smallest rectangle around each mask, (N, 4) int64 pixels; empty ones have no size."""
        boxes = [(x, y, x + width, y + height) for x, y, (height, width), _ in self._packed]
        return np.array(boxes, np.int64).reshape(-1, 4)

    @property
    def areas(self) -> np.ndarray:
        """The pixels of each mask, (N,) int64."""
        counts = [int(np.unpackbits(bits).sum()) for *_, bits in self._packed]
        return np.array(counts, np.int64)

    @property
    def nbytes(self) -> int:
        """The memory that the pixels take."""
        return sum(bits.nbytes for *_, bits in self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self._full(row) for row in range(len(self)))

    @overload
    def __getitem__(self, rows: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, rows: slice | list[int] | np.ndarray) -> "CompactMasks": ...

    def __getitem__(self, rows: Any) -> "np.ndarray | CompactMasks":
        """Return a mask (H, W) bool, or several: of a slice, (N,) bool, or indices in any order."""
        if isinstance(rows, int | np.integer):
            return self._full(int(rows))
        chosen = CompactMasks([], self.image_size_hw)
        chosen._packed = [self._packed[row] for row in np.arange(len(self))[rows].tolist()]
        return chosen

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        masks = np.zeros(self.shape, bool)
        for row in range(len(self)):
            self._paste(row, masks[row])
        return masks if dtype is None else masks.astype(dtype)

    def window(self, row: int) -> MaskWindow:
        """Return the pixels of a mask."""
        x, y, shape, bits = self._packed[row]
        pixels = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)
        return MaskWindow(x, y, pixels.view(bool))

    def union(self, rows: Sequence[int]) -> MaskWindow:
        """Return the pixels that belong to any of some masks."""
        windows = [w for w in map(self.window, rows) if w.pixels.size]
        if not windows:
            return MaskWindow(0, 0, np.zeros((0, 0), bool))
        left, top = min(w.x for w in windows), min(w.y for w in windows)
        right = max(w.x + w.pixels.shape[1] for w in windows)
        bottom = max(w.y + w.pixels.shape[0] for w in windows)
        pixels = np.zeros((bottom - top, right - left), bool)
        for w in windows:
            height, width = w.pixels.shape
            pixels[w.y - top : w.y - top + height, w.x - left : w.x - left + width] |= w.pixels
        return MaskWindow(left, top, pixels)

    def run_lengths(self) -> list[dict]:
        """Return the masks as COCO's compressed run lengths of the whole image; counts are text."""
        height, width = self.image_size_hw
        encoded = [
            rle.fr_py_objects({"size": [height, width], "counts": self._runs(row)}, height, width)
            for row in range(len(self))
        ]
        return [{"size": [height, width], "counts": e["counts"].decode("ascii")} for e in encoded]

    def _runs(self, row: int) -> list[int]:
        """Return the lengths of a mask's runs down the columns, of background and inside in turn."""
        height, width = self.image_size_hw
        window = self.window(row)
        columns = np.pad(window.pixels.T, ((0, 0), (1, 1))).view(np.int8)  # (w, h + 2)
        changes = np.diff(columns, axis=1)  # 1 where a run begins, -1 behind its end
        column, place = np.nonzero(changes)
        # Begin, end, begin, ... in the image's pixels, counted down its columns
        edges = (window.x + column) * height + window.y + place
        if len(edges) > 2:  # a run to the bottom goes on at the top of the next column
            touches = edges[1:-1:2] == edges[2::2]
            edges = edges[np.r_[True, np.repeat(~touches, 2), True]]
        runs = np.diff(edges, prepend=0, append=height * width).tolist()
        return runs[:-1] if runs[-1] == 0 and len(runs) > 1 else runs

    def _full(self, row: int) -> np.ndarray:
        mask = np.zeros(self.image_size_hw, bool)
        self._paste(row, mask)
        return mask

    def _paste(self, row: int, mask: np.ndarray) -> None:
        w = self.window(row)
        mask[w.y : w.y + w.pixels.shape[0], w.x : w.x + w.pixels.shape[1]] = w.pixels


def mask_window(masks: "np.ndarray | CompactMasks", row: int) -> MaskWindow:
    """Return the pixels of one mask of many, which may be an array (N, H, W) bool."""
    if isinstance(masks, CompactMasks):
        return masks.window(row)
    import cv2

    mask = np.ascontiguousarray(masks[row])
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return MaskWindow(x, y, mask[y : y + height, x : x + width])


def mask_areas(masks: "np.ndarray | CompactMasks") -> np.ndarray:
    """Return the pixels of each mask, (N,) int64."""
    return masks.areas if isinstance(masks, CompactMasks) else masks.sum(axis=(1, 2))


def joined_masks(parts: Sequence[CompactMasks], image_size_hw: tuple[int, int]) -> CompactMasks:
    """Return the masks of several parts of an image, one behind the other."""
    joined = CompactMasks([], image_size_hw)
    joined._packed = [packed for part in parts for packed in part._packed]
    return joined


def paste_in_parts(
    paste: Callable[[Any, Any, tuple[int, int]], np.ndarray],
    cells: Any,
    boxes_xyxy: Any,
    image_size_hw: tuple[int, int],
) -> "np.ndarray | CompactMasks":
    """Return masks as they lie in the image, compact if an array of them were large.

    No more than ``MAX_ARRAY_BYTES``, or one mask, are there as an array at a time.

    Args:
        paste: returns the masks (n, H, W) bool of some cells, boxes and the size of the image.
        cells: (N, S, S) probabilities, of numpy or torch.
        boxes_xyxy: (N, 4) pixels, of the same.
    """
    height, width = image_size_hw
    step = max(1, MAX_ARRAY_BYTES // (height * width))
    if len(cells) <= step:
        return paste(cells, boxes_xyxy, image_size_hw)
    parts = (slice(first, first + step) for first in range(0, len(cells), step))
    compact = [
        CompactMasks.of(paste(cells[rows], boxes_xyxy[rows], image_size_hw), image_size_hw)
        for rows in parts
    ]
    return joined_masks(compact, image_size_hw)
