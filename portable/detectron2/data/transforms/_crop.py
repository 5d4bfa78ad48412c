"""A crop that cuts polygons by itself."""

import numpy as np
from fvcore.transforms.transform import CropTransform


class PolygonCropTransform(CropTransform):
    """fvcore's crop, whose polygons need no further package.

    A polygon whose pieces in the rectangle are separate stays one polygon: its pieces are joined by
    edges along the border, which have no area. Polygons that touch the rectangle at most along a
    line vanish.
    """

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Return the parts of polygons (N, 2) of (x, y) in the rectangle, in its coordinates."""
        rectangle = (self.x0, self.y0, self.x0 + self.w, self.y0 + self.h)
        parts = [
            clip_polygon(np.asarray(polygon, dtype=np.float64), rectangle) for polygon in polygons
        ]
        return [self.apply_coords(part) for part in parts if len(part) > 0]


def clip_polygon(
    points_xy: np.ndarray, rectangle_xyxy: tuple[float, float, float, float]
) -> np.ndarray:
    """Return the part of a polygon (N, 2) in a rectangle, (M, 2); M is 0 if it has no area.

    Source: Sutherland and Hodgman, Reentrant polygon clipping (1974): the polygon is cut by the
    lines through the four sides, one after the other.

    >>> clip_polygon(np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]), (0, 0, 4, 4)).tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]
    """
    low_x, low_y, high_x, high_y = rectangle_xyxy
    for axis, bound, sign in ((0, low_x, 1), (0, high_x, -1), (1, low_y, 1), (1, high_y, -1)):
        points_xy = _cut(points_xy, axis, bound, sign)
    following = np.roll(points_xy, -1, axis=0)
    points_xy = points_xy[(points_xy != following).any(axis=1)]  # no point twice in a row
    x, y = points_xy[:, 0], points_xy[:, 1]
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    return points_xy if area > 0 else points_xy[:0]


def _cut(points_xy: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
    """Return the part of a polygon where sign * (coordinate - bound) is not negative."""
    depth = sign * (points_xy[:, axis] - bound)
    following, following_depth = np.roll(points_xy, -1, axis=0), np.roll(depth, -1)
    inside = depth >= 0
    crosses = inside != (following_depth >= 0)
    fraction = depth[crosses] / (depth - following_depth)[crosses]
    crossings = points_xy.copy()
    crossings[crosses] += fraction[:, None] * (following - points_xy)[crosses]
    crossings[:, axis] = bound
    # Of each edge its first point, then the point where it crosses the line.
    both = np.stack((points_xy, crossings), axis=1)
    return both[np.stack((inside, crosses), axis=1)]
