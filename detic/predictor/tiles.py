"""Large images through the detector in tiles.

Shapes: N detections, H x W image, h x w tile, T tiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detic.compact_masks import CompactMasks, joined_masks
from detic.detections import COLUMNS, Detections
from detic.errors import InputError
from detic.image_windows import ImageWindows, Window
from detic.predictor.tile_merging import Views, merge_views

# Masks of the whole image are compact if an array of them would be larger, bytes
_LARGEST_MASK_ARRAY = 2**28

Detect = Callable[[list[np.ndarray]], list[Detections]]


@dataclass(frozen=True)
class Tiles:
    """How an image is cut into tiles."""

    side_px: int | None = None  # None: of the images that the model was trained on
    overlap: float = 0.25  # of neighbours, in sides; an object up to that size is whole in a tile
    batch_size: int = 1  # tiles that go through the network at once

    def __post_init__(self):
        if self.side_px is not None and not self.side_px >= 16:
            raise InputError(f"tiles have a side of 16 pixels or more, not {self.side_px}")
        if not 0 <= self.overlap <= 0.75:
            raise InputError(f"tiles overlap by 0 to 0.75 of their side, not by {self.overlap}")
        if not self.batch_size >= 1:
            raise InputError(f"1 tile or more is computed at once, not {self.batch_size}")


def chosen_tiles(
    tiles: "bool | int | Tiles | None", training_side_px: int, batch_size: int = 1
) -> Tiles | None:
    """Return the tiles that an argument names, None without.

    Args:
        tiles: a side in pixels; True: that of the images that the model was trained on; or all there is
            to choose.
        training_side_px: of those images.

    Raises:
        InputError: it is nothing of these.
    """
    if tiles is None or tiles is False:
        return None
    if tiles is True:
        tiles = Tiles(batch_size=batch_size)
    elif isinstance(tiles, int | np.integer):
        tiles = Tiles(int(tiles), batch_size=batch_size)
    if not isinstance(tiles, Tiles):
        raise InputError(f"tiles are a side in pixels, True or Tiles(...), not {tiles!r}")
    return tiles if tiles.side_px is not None else replace(tiles, side_px=training_side_px)


def tile_windows(size_hw: tuple[int, int], side_px: int, overlap: float) -> list[Window]:
    """Return the tiles of an image, row by row.

    All have the same size. Along a side that is longer than a tile, they are spread evenly, so that
    neighbours overlap by the share that is asked for or more.

    >>> tile_windows((60, 100), side_px=60, overlap=0.25)
    [(0, 0, 60, 60), (40, 0, 100, 60)]
    """
    height, width = size_hw
    return [
        (x, y, min(x + side_px, width), min(y + side_px, height))
        for y in _starts(height, side_px, overlap)
        for x in _starts(width, side_px, overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    step = max(1, int(side * (1 - overlap)))
    steps = -(-(length - side) // step)
    return np.linspace(0, length - side, steps + 1).round().astype(int).tolist()


def detect_in_tiles(detect: Detect, image: ImageWindows, tiles: Tiles) -> Detections:
    """Return the detections of an image, each object once though several tiles see it.

    Args:
        detect: returns the detections of each of some images of one size.
        tiles: with a side.
    """
    assert tiles.side_px is not None
    windows = tile_windows(image.size_hw, tiles.side_px, tiles.overlap)
    found: list[Detections] = []
    for first in range(0, len(windows), tiles.batch_size):
        batch = windows[first : first + tiles.batch_size]
        in_tiles = detect([np.ascontiguousarray(image.read(window)) for window in batch])
        pairs = zip(in_tiles, batch, strict=True)
        found += [_in_image(seen, window, image.size_hw) for seen, window in pairs]
    views = Views.of([seen.boxes_xyxy for seen in found], windows, image.size_hw)
    return _merged(_together(found, image.size_hw), views)


def _in_image(found: Detections, window: Window, image_size_hw: tuple[int, int]) -> Detections:
    """Return the detections of a tile in the pixels of the image."""
    x, y, _, _ = window
    masks = found.masks
    if masks is not None:
        masks = CompactMasks.of(np.asarray(masks), image_size_hw, offset_xy=(x, y))
    boxes = found.boxes_xyxy + np.array([x, y, x, y], np.float32)
    return replace(found, boxes_xyxy=boxes, masks=masks, image_size_hw=image_size_hw)


def _together(found: Sequence[Detections], image_size_hw: tuple[int, int]) -> Detections:
    """Return the detections of all tiles, one tile behind the other."""
    first = found[0]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in found])
        for name in COLUMNS
        if getattr(first, name) is not None and name != "masks"
    }
    masks = [part.masks for part in found if isinstance(part.masks, CompactMasks)]
    joined = joined_masks(masks, image_size_hw) if first.masks is not None else None
    return replace(first, masks=joined, **columns)


def _merged(found: Detections, views: Views) -> Detections:
    """Return each object once, highest score first."""
    groups = merge_views(views, found.labels, found.scores)
    groups.sort(key=lambda rows: -found.scores[rows[0]])
    objects = found[np.array([rows[0] for rows in groups], dtype=int)]
    boxes = [views.box_of(rows) for rows in groups]
    if isinstance(found.masks, CompactMasks):
        windows = [found.masks.union(rows) for rows in groups]
        masks = CompactMasks(windows, found.image_size_hw)
        is_small = np.prod(masks.shape, dtype=np.int64) <= _LARGEST_MASK_ARRAY
        objects = replace(objects, masks=np.asarray(masks) if is_small else masks)
    return replace(objects, boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4))
