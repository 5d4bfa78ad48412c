"""A crop that cuts polygons by itself."""

import numpy as np
from fvcore.transforms.transform import CropTransform as _FvcoreCropTransform


class CropTransform(_FvcoreCropTransform):
    """fvcore's crop, which cuts polygons without a further package.

    A polygon may fall into several; those that touch the rectangle at most along a line vanish.
    """

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Return the parts of polygons (N, 2) of (x, y) in the rectangle, in its coordinates."""
        rectangle = (self.x0, self.y0, self.x0 + self.w, self.y0 + self.h)
        return [
            self.apply_coords(piece)
            for polygon in polygons
            for piece in clip_polygon(np.array(polygon, dtype=np.float64), rectangle)
        ]


def clip_polygon(
    points_xy: np.ndarray, rectangle_xyxy: tuple[float, float, float, float]
) -> list[np.ndarray]:
    """Return the pieces of a polygon (N, 2) in a rectangle, each (M, 2) with an area above 0.

    The polygon is cut along the lines through the four sides, one after the other.

    >>> clip_polygon(np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]), (0, 0, 4, 4))[0].tolist()
    [[4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]]
    """
    low_x, low_y, high_x, high_y = rectangle_xyxy
    pieces = [points_xy]
    for axis, bound, sign in ((0, low_x, 1), (0, high_x, -1), (1, low_y, 1), (1, high_y, -1)):
        pieces = [part for piece in pieces for part in _cut(piece, axis, bound, sign)]
    pieces = [p if p is points_xy else _without_spikes(p) for p in pieces]
    return [piece for piece in pieces if _area(piece) > 0]


def _cut(points_xy: np.ndarray, axis: int, bound: float, sign: int) -> list[np.ndarray]:
    """Return the pieces of a polygon where sign * (coordinate - bound) is not negative."""
    depth = sign * (points_xy[:, axis] - bound)
    inside = depth >= 0
    if inside.all():
        return [points_xy]
    crosses = np.flatnonzero(inside != np.roll(inside, -1))  # edges, by their first points
    entries, exits = crosses[~inside[crosses]], crosses[inside[crosses]]
    if len(entries) == 0:
        return []
    following = np.roll(points_xy, -1, axis=0)
    fraction = depth[crosses] / (depth[crosses] - np.roll(depth, -1)[crosses])
    crossings = points_xy.copy()
    crossings[crosses] += fraction[:, None] * (following - points_xy)[crosses]
    crossings[:, axis] = bound
    # A chain enters, has points inside, and leaves by the next exit.
    exits = exits[np.searchsorted(exits, entries) % len(exits)]
    chains = []
    for entry, leave in zip(entries, exits, strict=True):
        rows = np.arange(entry + 1, leave + 1 if leave > entry else leave + 1 + len(points_xy))
        chain = (crossings[entry], *points_xy[rows % len(points_xy)], crossings[leave])
        chains.append(np.array(chain))
    return _closed(chains, crossings[entries, 1 - axis], crossings[exits, 1 - axis])


def _closed(chains: list[np.ndarray], starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    """Return the polygons that chains form with the line they begin and end on.

    In the order along the line, every second stretch between crossings is in the polygon.

    Args:
        starts, ends: where on the line each chain begins and ends.
    """
    count = len(chains)
    order = np.argsort(np.concatenate((starts, ends)), kind="stable")
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    successors = partner[count:]  # of the end of each chain
    if (successors >= count).any():  # the polygon crosses itself: its pieces stay together
        return [np.concatenate(chains)]
    polygons, left = [], set(range(count))
    while left:
        first = chain = min(left)
        members = []
        while chain in left:
            left.remove(chain)
            members.append(chains[chain])
            chain = int(successors[chain])
        assert chain == first
        polygons.append(np.concatenate(members))
    return polygons


def _without_spikes(points_xy: np.ndarray) -> np.ndarray:
    """Return the points without those that repeat the one before, or at which the outline turns back.

    An outline turns back where it ran along the line of a cut already.
    """
    while len(points_xy) > 2:
        before = points_xy - np.roll(points_xy, 1, axis=0)
        after = np.roll(points_xy, -1, axis=0) - points_xy
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        superfluous = (cross == 0) & ((before * after).sum(axis=1) <= 0)
        if not superfluous.any():
            break
        points_xy = np.delete(points_xy, superfluous.argmax(), axis=0)
    return points_xy


def _area(points_xy: np.ndarray) -> float:
    x, y = points_xy[:, 0], points_xy[:, 1]
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
