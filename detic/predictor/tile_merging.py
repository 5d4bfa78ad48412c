"""One object out of what several tiles see of it.

A tile sees an object whole, or cut by its border. Two views are of one object if their boxes agree as far
as both tiles can see: a whole view, clipped to the other tile, has to look like the cut one. Whole views
win over cut ones. Cut views that no whole one explains are joined: the object is larger than a tile.

Shapes: N views, T tiles.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detic.image_windows import Window

_SAME_CLASS_IOU = 0.5
_OTHER_CLASS_IOU = 0.7  # of views that different names were given to
_INSIDE = 0.8  # share of a cut view that lies in another of its class
_BORDER = 1 / 64  # of a tile's side: a box that comes closer to the tile's border is cut


@dataclass(frozen=True, eq=False)
class Views:
    """What tiles see, one after the other."""

    boxes_xyxy: np.ndarray  # (N, 4) float64, pixels of the image
    tiles: np.ndarray  # (N,) index of the tile
    is_cut: np.ndarray  # (N,) bool
    windows: np.ndarray  # (T, 4), row by row

    @classmethod
    def of(
        cls, boxes: Sequence[np.ndarray], windows: Sequence[Window], image_size_hw: tuple[int, int]
    ) -> "Views":
        """Return the views of boxes (N of the tile, 4) of each tile, in pixels of the image."""
        tiles = np.repeat(np.arange(len(boxes)), [len(of_tile) for of_tile in boxes])
        all_boxes = np.concatenate(boxes).astype(float)
        edges = np.array(windows)
        height, width = image_size_hw
        # Borders of the image cut nothing that could be seen.
        is_inner = edges != np.array([0, 0, width, height])
        sides = (edges[:, 2:] - edges[:, :2]).max(axis=1)
        near = np.abs(all_boxes - edges[tiles]) <= (_BORDER * sides)[tiles, None]
        return cls(all_boxes, tiles, (near & is_inner[tiles]).any(axis=1), edges)

    def box_of(self, rows: Sequence[int]) -> np.ndarray:
        """Return the smallest box (4,) around some views."""
        boxes = self.boxes_xyxy[list(rows)]
        return np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)))


def merge_views(views: Views, labels: np.ndarray, scores: np.ndarray) -> list[list[int]]:
    """Return the rows of each object, the one with the highest score first.

    Args:
        labels: (N,) int.
        scores: (N,).
    """
    same: dict[int, list[int]] = defaultdict(list)  # rows of one class that agree
    other: dict[int, list[int]] = defaultdict(list)  # rows of different classes that agree
    for i, j in _agreeing(views, labels):
        rows = same if labels[i] == labels[j] else other
        rows[i].append(j)
        rows[j].append(i)
    is_left = np.ones(len(scores), bool)
    objects = []
    best_first = np.argsort(-scores, kind="stable").tolist()
    for row in best_first:
        if is_left[row] and not views.is_cut[row]:
            objects.append([row])
            is_left[[row, *same[row], *other[row]]] = False
    for row in best_first:
        if is_left[row]:
            objects.append(_joined(row, same, is_left))
    return objects


def _joined(row: int, same: dict[int, list[int]], is_left: np.ndarray) -> list[int]:
    """Return a row and the rows that hang together with it, and take them away."""
    joined, waiting = [], [row]
    is_left[row] = False
    while waiting:
        joined.append(waiting.pop())
        neighbours = [j for j in same[joined[-1]] if is_left[j]]
        is_left[neighbours] = False
        waiting += neighbours
    return joined


def _agreeing(views: Views, labels: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of views from two tiles that may be of one object."""
    bounds = np.searchsorted(views.tiles, np.arange(len(views.windows) + 1))
    for s, t in _overlapping(views.windows):
        rows, others = (np.arange(bounds[tile], bounds[tile + 1]) for tile in (s, t))
        if len(rows) and len(others):
            agree = _agree(views, labels, rows, others)
            yield from zip(*(part.tolist() for part in _chosen(agree, rows, others)), strict=True)


def _chosen(
    agree: np.ndarray, rows: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.nonzero(agree)
    return rows[i], others[j]


def _overlapping(windows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of tiles that share pixels, the first before the second.

    Args:
        windows: (T, 4), row by row.
    """
    for s, window in enumerate(windows):
        rest = windows[s + 1 : np.searchsorted(windows[:, 1], window[3])]
        meets = (np.minimum(window[2:], rest[:, 2:]) > np.maximum(window[:2], rest[:, :2])).all(1)
        for t in np.flatnonzero(meets) + s + 1:
            yield s, int(t)


def _agree(views: Views, labels: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which views of one tile (n,) and of another (m,) look like one object, (n, m) bool."""
    mine, theirs = views.boxes_xyxy[rows][:, None], views.boxes_xyxy[others][None]
    cut, cut_others = views.is_cut[rows][:, None], views.is_cut[others][None]
    my_tile, their_tile = (views.windows[views.tiles[r[0]]] for r in (rows, others))
    # What is whole for one tile can be cut for the other: then it is compared as that one sees it.
    mine = np.where(cut_others[..., None], _clipped(mine, their_tile), mine)
    theirs = np.where(cut[..., None], _clipped(theirs, my_tile), theirs)
    shared = _area(
        np.concatenate(
            (
                np.maximum(mine[..., :2], theirs[..., :2]),
                np.minimum(mine[..., 2:], theirs[..., 2:]),
            ),
            axis=-1,
        )
    )
    areas, their_areas = _area(mine), _area(theirs)
    iou = shared / np.maximum(areas + their_areas - shared, 1e-9)
    is_same = labels[rows][:, None] == labels[others][None]
    is_part = (cut & (shared >= _INSIDE * areas)) | (cut_others & (shared >= _INSIDE * their_areas))
    agree = np.where(is_same, (iou >= _SAME_CLASS_IOU) | is_part, iou >= _OTHER_CLASS_IOU)
    return agree & (shared > 0)


def _clipped(boxes_xyxy: np.ndarray, window: np.ndarray) -> np.ndarray:
    return np.clip(boxes_xyxy, window[[0, 1, 0, 1]], window[[2, 3, 2, 3]])


def _area(boxes_xyxy: np.ndarray) -> np.ndarray:
    sides = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clip(0)
    return sides[..., 0] * sides[..., 1]
