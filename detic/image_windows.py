"""Rectangles of images that may be too large to copy, read one at a time.

Shapes: H x W image, h x w window.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from detic.images import decode_image, image_pixels, is_upright, read_header

Window = tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels; x2 and y2 lie behind the last

_RAW_CHANNELS = {"RGB": 3, "BGR": 3, "L": 1}


class ImageWindows(Protocol):
    """An image of which parts can be read."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, pixels."""

    def read(self, window: Window) -> np.ndarray:
        """Return the pixels in a window, (h, w, 3) uint8 in BGR order."""


@dataclass(frozen=True, eq=False)
class ArrayWindows:
    """Windows of an array (H, W, 3) uint8 in BGR order, such as a memory map."""

    image_bgr: np.ndarray

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image_bgr.shape[:2]

    def read(self, window: Window) -> np.ndarray:
        x1, y1, x2, y2 = window
        return self.image_bgr[y1:y2, x1:x2]


@dataclass(frozen=True, eq=False)
class DecodedWindows:
    """Windows of an image in Pillow's memory, which is in its mode RGB."""

    image: Image.Image

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image.height, self.image.width

    def read(self, window: Window) -> np.ndarray:
        return image_pixels(self.image.crop(window), "BGR")


@dataclass(frozen=True)
class RawBlock:
    """A rectangle of an image whose pixels lie uncompressed in a file."""

    window: Window
    offset: int  # of its first row in the file, bytes
    stride: int  # from each row to the next, bytes
    mode: str  # a key of _RAW_CHANNELS
    is_bottom_up: bool

    @property
    def end(self) -> int:
        """The place in the file behind the block."""
        x1, y1, x2, y2 = self.window
        return self.offset + self.stride * (y2 - y1 - 1) + _RAW_CHANNELS[self.mode] * (x2 - x1)

    def row_offset(self, y: int) -> int:
        """Return where a row of the image begins in the file."""
        _, y1, _, y2 = self.window
        return self.offset + self.stride * (y2 - 1 - y if self.is_bottom_up else y - y1)


class RawWindows:
    """Windows of a file of uncompressed pixels: PPM, BMP and TIFF, in strips or tiles."""

    def __init__(self, path: str, size_hw: tuple[int, int], blocks: Sequence[RawBlock]):
        self.path = path
        self.size_hw = size_hw
        self._blocks = blocks
        self._bounds = np.array([block.window for block in blocks])  # (blocks, 4)

    def read(self, window: Window) -> np.ndarray:
        x1, y1, x2, y2 = window
        pixels = np.zeros((y2 - y1, x2 - x1, 3), np.uint8)
        starts = np.maximum(self._bounds[:, :2], (x1, y1))
        ends = np.minimum(self._bounds[:, 2:], (x2, y2))
        with open(self.path, "rb", buffering=0) as file:
            for i in np.flatnonzero((starts < ends).all(axis=1)).tolist():
                (left, top), (right, bottom) = starts[i].tolist(), ends[i].tolist()
                for y in range(top, bottom):
                    row = _row(file.fileno(), self._blocks[i], left, right, y)
                    pixels[y - y1, left - x1 : right - x1] = row
        return pixels


def _row(file: int, block: RawBlock, left: int, right: int, y: int) -> np.ndarray:
    """Return pixels of a row, (w, 3) or (w, 1) in BGR order."""
    channels = _RAW_CHANNELS[block.mode]
    start = block.row_offset(y) + channels * (left - block.window[0])
    content = os.pread(file, channels * (right - left), start)
    row = np.frombuffer(content, np.uint8).reshape(-1, channels)
    return row[:, ::-1] if block.mode == "RGB" else row


def open_windows(path: str | os.PathLike) -> ImageWindows:
    """Return an image file as windows.

    Of uncompressed pixels, no more than a window is read. Any other file is decoded as a whole, into
    4 bytes a pixel, and windows are copied from there.

    Raises:
        IMAGE_ERRORS: see ``detic.images.decode_image``.
    """
    raw = _raw_windows(os.fspath(path))
    return DecodedWindows(decode_image(path)) if raw is None else raw


def _raw_windows(path: str) -> RawWindows | None:
    """Return the windows of a file of uncompressed pixels, None of any other file."""
    if not os.path.isfile(path) or not hasattr(os, "pread"):
        return None
    size_hw, blocks = read_header(path, _layout)
    if not blocks or max(block.end for block in blocks) > os.path.getsize(path):
        return None
    return RawWindows(path, size_hw, blocks)


def _layout(image: Image.Image) -> tuple[tuple[int, int], tuple[RawBlock, ...]]:
    """Return the size of an opened image and where its pixels lie, nowhere if they are compressed."""
    size_hw = image.height, image.width
    tiles = getattr(image, "tile", [])  # of all that come from files
    blocks = [_raw_block(image, *tile) for tile in tiles]
    whole = [block for block in blocks if block is not None]
    area = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (block.window for block in whole))
    is_whole = len(whole) == len(blocks) and area >= image.width * image.height
    return size_hw, tuple(whole) if is_whole and is_upright(image) else ()


def _raw_block(
    image: Image.Image, codec: str, extents: Window, offset: int, arguments: Any
) -> RawBlock | None:
    """Return a block that one of Pillow's tiles describes, None if it is compressed."""
    if codec != "raw" or image.mode not in ("RGB", "L"):
        return None
    mode, stride, direction = arguments if isinstance(arguments, tuple) else (arguments, 0, 1)
    if mode not in _RAW_CHANNELS or _RAW_CHANNELS[mode] != len(image.mode):
        return None
    row_bytes = _RAW_CHANNELS[mode] * (extents[2] - extents[0])
    return RawBlock(extents, offset, stride or row_bytes, mode, is_bottom_up=direction == -1)
