"""Masks into the boxes and polygons of an annotation file.

Coordinates run along pixel edges, so that a single pixel is a square from its corner (x, y) to
(x + 1, y + 1).

Shapes: H, W image height and width in pixels.
"""

import cv2
import numpy as np

MIN_PART_PX = 4  # smaller parts of an object, left between others in front of it, are dropped
SIMPLIFICATION_PX = 0.4


def without_specks(mask: np.ndarray) -> np.ndarray:
    """Return the mask (H, W), bool, without connected parts of fewer than four pixels."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= MIN_PART_PX
    large[0] = False  # part 0 is the outside
    return large[parts]


def mask_to_box_xywh(mask: np.ndarray) -> list[int]:
    """Return the smallest box around a mask (H, W) that is not empty, as x, y, width, height."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    x0, y0 = int(columns[0]), int(rows[0])
    return [x0, y0, int(columns[-1]) + 1 - x0, int(rows[-1]) + 1 - y0]


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Return the outline of each connected part as a flat list x, y, x, y, ...

    Polygons cannot have holes. A part with a hole is cut open along a line without width, from its
    outline to the hole. So the hole stays outside.

    Args:
        mask: (H, W) bool, all of its parts four pixels or more.

    Returns:
        Polygons of three or more points, in pixels, along pixel edges.
    """
    # OpenCV traces pixel centres. On a lattice of twice the resolution, pixel (y, x) fills the
    # nodes 2y..2y+2, 2x..2x+2, and the traced nodes are its edges.
    lattice = np.zeros((2 * mask.shape[0] + 1, 2 * mask.shape[1] + 1), np.uint8)
    for dy in range(3):
        for dx in range(3):
            lattice[dy : dy + 2 * mask.shape[0] : 2, dx : dx + 2 * mask.shape[1] : 2] |= mask
    contours, links = cv2.findContours(lattice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [_simplified(contour) for contour in contours]
    parents = links[0][:, 3] if links is not None else []
    polygons = []
    for index, parent in enumerate(parents):
        if parent < 0:
            holes = [outlines[i] for i in np.flatnonzero(parents == index)]
            polygons.append((_cut_open(outlines[index], holes) / 2).ravel().tolist())
    return polygons


def _simplified(contour: np.ndarray) -> np.ndarray:
    """Return a contour (N, 1, 2) as (M, 2) with fewer points, or all where under three remain."""
    simplified = cv2.approxPolyDP(contour, 2 * SIMPLIFICATION_PX, closed=True)
    return (simplified if len(simplified) > 2 else contour)[:, 0]


def _cut_open(outline: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """Return one outline (N, 2) that walks into each hole, around it and back on the same way."""
    for hole in holes:
        distances = np.linalg.norm(outline[:, None] - hole[None], axis=2)
        leave, enter = np.unravel_index(distances.argmin(), distances.shape)
        around = np.concatenate([hole[enter:], hole[: enter + 1]])
        outline = np.concatenate([outline[: leave + 1], around, outline[leave:]])
    return outline
