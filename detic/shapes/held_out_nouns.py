"""The forms of eight further nouns, held out for worlds of one's own."""

from collections.abc import Callable

import numpy as np

from detic.shapes.geometry import arc, band, circle, mirrored, open_curve, rectangle, smooth
from detic.shapes.silhouette import Silhouette, compose


def _rocket() -> Silhouette:
    hull = [(0.5, 0.0), (0.62, 0.14), (0.69, 0.36), (0.68, 0.62), (0.62, 0.8)]
    return compose(
        np.array(mirrored(open_curve(hull))),
        np.array([(0.66, 0.5), (0.88, 0.74), (0.86, 0.94), (0.6, 0.74)]),
        np.array([(0.34, 0.5), (0.12, 0.74), (0.14, 0.94), (0.4, 0.74)]),
        np.array([(0.4, 0.8), (0.6, 0.8), (0.5, 1.0)]),
        holes=[circle(0.5, 0.34, 0.085)],
    )


def _cactus() -> Silhouette:
    return compose(
        circle(0.5, 0.16, 0.14),
        rectangle(0.36, 0.16, 0.64, 1.0),
        rectangle(0.1, 0.52, 0.4, 0.66),
        rectangle(0.06, 0.34, 0.2, 0.59),
        circle(0.13, 0.34, 0.07),
        circle(0.13, 0.59, 0.07),
        rectangle(0.6, 0.4, 0.9, 0.54),
        rectangle(0.8, 0.2, 0.94, 0.47),
        circle(0.87, 0.2, 0.07),
        circle(0.87, 0.47, 0.07),
        marks=[rectangle(0.44, 0.16, 0.46, 0.96), rectangle(0.54, 0.16, 0.56, 0.96)],
    )


def _bottle() -> Silhouette:
    side = [(0.59, 0.09), (0.6, 0.28), (0.66, 0.38), (0.72, 0.48), (0.73, 0.6)]
    return compose(
        np.array(mirrored([*open_curve(side), (0.73, 1.0)])),
        rectangle(0.39, 0.0, 0.61, 0.11),
        marks=[rectangle(0.27, 0.6, 0.73, 0.63), rectangle(0.27, 0.84, 0.73, 0.87)],
    )


def _magnet() -> Silhouette:
    return compose(
        band(0.5, 0.5, 0.46, 0.46, 0.24, 180, 360),
        rectangle(0.04, 0.49, 0.28, 0.98),
        rectangle(0.72, 0.49, 0.96, 0.98),
        marks=[rectangle(0.04, 0.76, 0.28, 0.8), rectangle(0.72, 0.76, 0.96, 0.8)],
    )


def _hourglass() -> Silhouette:
    glass = [(0.8, 0.1), (0.78, 0.26), (0.56, 0.5), (0.78, 0.74), (0.8, 0.9)]
    return compose(
        rectangle(0.1, 0.0, 0.9, 0.12),
        rectangle(0.1, 0.88, 0.9, 1.0),
        np.array(mirrored(glass)),
        marks=[np.array([(0.5, 0.66), (0.66, 0.86), (0.34, 0.86)])],
    )


def _snowman() -> Silhouette:
    return compose(
        circle(0.5, 0.74, 0.27),
        circle(0.5, 0.36, 0.19),
        rectangle(0.28, 0.15, 0.72, 0.21),
        rectangle(0.37, -0.02, 0.63, 0.18),
        marks=[circle(0.43, 0.32, 0.03), circle(0.57, 0.32, 0.03), circle(0.5, 0.66, 0.035)],
    )


def _butterfly() -> Silhouette:
    upper = [(0.52, 0.46), (0.66, 0.14), (0.92, 0.08), (1.0, 0.3), (0.84, 0.52)]
    lower = [(0.53, 0.5), (0.8, 0.54), (0.88, 0.76), (0.72, 0.92), (0.58, 0.74)]
    wings = [smooth(wing) for wing in (upper, lower)]
    return compose(
        *wings,
        *(np.array([1, 0]) + wing * np.array([-1, 1]) for wing in wings),
        arc(0.5, 0.5, 0.075, 0.38),
        marks=[circle(0.8, 0.3, 0.06), circle(0.2, 0.3, 0.06)],
    )


def _duck() -> Silhouette:
    body = [(0.3, 0.5), (0.5, 0.56), (0.76, 0.54), (1.0, 0.42), (0.94, 0.74), (0.66, 0.92)]
    return compose(
        circle(0.33, 0.28, 0.2),
        smooth([*body, (0.34, 0.9), (0.16, 0.7)]),
        np.array([(0.18, 0.22), (0.18, 0.38), (-0.02, 0.34)]),
        marks=[circle(0.3, 0.23, 0.035), band(0.6, 0.64, 0.2, 0.14, 0.03, 0, 180)],
    )


HELD_OUT_FORMS: dict[str, Callable[[], Silhouette]] = {
    "rocket": _rocket,
    "cactus": _cactus,
    "bottle": _bottle,
    "magnet": _magnet,
    "hourglass": _hourglass,
    "snowman": _snowman,
    "butterfly": _butterfly,
    "duck": _duck,
}
