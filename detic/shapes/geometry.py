"""Polygons of elementary figures, from which the silhouettes are composed.

Every function returns the closed outline of a figure as an array (N, 2) of x, y in the unit square,
y pointing down. Angles are in degrees, clockwise from the x axis as one sees them.
"""

from collections.abc import Sequence

import numpy as np

Points = Sequence[tuple[float, float]]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Return the outline of an upright rectangle from two opposite corners, (4, 2)."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def arc(
    cx: float, cy: float, rx: float, ry: float, start: float = 0, stop: float = 360, num: int = 48
) -> np.ndarray:
    """Return points along an elliptic arc around (cx, cy), closed by its chord, (num, 2)."""
    full_turn = abs(stop - start) == 360
    angles = np.radians(np.linspace(start, stop, num, endpoint=not full_turn))
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)


def circle(cx: float, cy: float, radius: float) -> np.ndarray:
    """Return the outline of a circle, (48, 2)."""
    return arc(cx, cy, radius, radius)


def band(
    cx: float, cy: float, rx: float, ry: float, width: float, start: float, stop: float
) -> np.ndarray:
    """Return an elliptic arc of the given width, measured inwards from the radii, (64, 2)."""
    outer = arc(cx, cy, rx, ry, start, stop, num=32)
    inner = arc(cx, cy, rx - width, ry - width, stop, start, num=32)
    return np.concatenate([outer, inner])


def bar(x0: float, y0: float, x1: float, y1: float, width: float) -> np.ndarray:
    """Return a straight bar between the centres of its two ends, (4, 2)."""
    start, stop = np.array([x0, y0]), np.array([x1, y1])
    along = (stop - start) / np.linalg.norm(stop - start)
    across = np.array([-along[1], along[0]]) * width / 2
    return np.array([start + across, stop + across, stop - across, start - across])


def smooth(points: Points, per_segment: int = 8) -> np.ndarray:
    """Return a closed curve through all the points, (len(points) * per_segment, 2).

    The curve is the periodic Catmull-Rom spline: at each point it runs parallel to the line
    between the two neighbours.
    """
    knots = np.asarray(points, dtype=float)
    before, after, beyond = (np.roll(knots, shift, axis=0) for shift in (1, -1, -2))
    t = np.linspace(0, 1, per_segment, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (part[:, None] for part in (before, knots, after, beyond))
    curve = p1 + 0.5 * t * (
        (p2 - p0) + t * ((2 * p0 - 5 * p1 + 4 * p2 - p3) + t * (3 * (p1 - p2) + p3 - p0))
    )
    return curve.reshape(-1, 2)


def open_curve(points: Points) -> list[tuple[float, float]]:
    """Return a smooth curve from the first to the last point, where it ends without rounding."""
    curve = smooth([points[0], *points, points[-1]])
    return [tuple(point) for point in curve[8 : 8 * len(points) + 1]]


def mirrored(points: Points) -> list[tuple[float, float]]:
    """Return a symmetric outline: the right half, from top to bottom, and its mirror image.

    Points on the axis x = 0.5 are not repeated.
    """
    left = [(1 - x, y) for x, y in reversed(points) if abs(x - 0.5) > 1e-9]
    return [*points, *left]


def star(cx: float, cy: float, outer: float, inner: float, tips: int) -> np.ndarray:
    """Return a star with one tip straight up, (2 * tips, 2)."""
    angles = np.radians(-90 + 180 / tips * np.arange(2 * tips))
    radii = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], axis=1)


def cogwheel(cx: float, cy: float, outer: float, inner: float, teeth: int) -> np.ndarray:
    """Return a wheel with flat-topped teeth, (4 * teeth, 2)."""
    pitch = 360 / teeth
    offsets = np.array([-0.30, -0.19, 0.19, 0.30]) * pitch
    angles = np.radians((pitch * np.arange(teeth)[:, None] + offsets - 90).ravel())
    radii = np.tile([inner, outer, outer, inner], teeth)
    return np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], axis=1)
