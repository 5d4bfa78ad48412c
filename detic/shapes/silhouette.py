"""The form of a noun: polygons in the unit square."""

from dataclasses import dataclass

import numpy as np

Polygons = list[np.ndarray]


@dataclass(frozen=True)
class Silhouette:
    """A form in the unit square, y pointing down."""

    solids: Polygons  # polygons (N, 2) whose union is the body
    holes: Polygons  # polygons cut out of the body
    marks: Polygons  # polygons drawn on the body in the colour of the outline


def compose(
    *solids: np.ndarray, holes: Polygons | None = None, marks: Polygons | None = None
) -> Silhouette:
    """Return the figure moved and scaled, alike in x and y, to fill the unit square."""
    corners = np.concatenate(solids)
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale, middle = 1 / (high - low).max(), (low + high) / 2

    def fitted(polygons: Polygons) -> Polygons:
        return [(np.asarray(polygon) - middle) * scale + 0.5 for polygon in polygons]

    return Silhouette(fitted(list(solids)), fitted(holes or []), fitted(marks or []))
