"""The forms of the twenty-four nouns of the benchmark."""

from collections.abc import Callable

import numpy as np

from detic.shapes.geometry import (
    arc,
    band,
    bar,
    circle,
    cogwheel,
    mirrored,
    open_curve,
    rectangle,
    smooth,
    star,
)
from detic.shapes.silhouette import Silhouette, compose


def _star() -> Silhouette:
    return compose(star(0.5, 0.5, 0.5, 0.23, tips=5))


def _gear() -> Silhouette:
    return compose(cogwheel(0.5, 0.5, 0.5, 0.37, teeth=8), holes=[circle(0.5, 0.5, 0.15)])


def _mug() -> Silhouette:
    return compose(
        rectangle(0.05, 0.12, 0.68, 0.88),
        band(0.66, 0.48, 0.32, 0.27, 0.11, -90, 90),
        marks=[rectangle(0.12, 0.19, 0.61, 0.24)],
    )


def _key() -> Silhouette:
    return compose(
        circle(0.5, 0.22, 0.24),
        rectangle(0.43, 0.35, 0.57, 1),
        rectangle(0.5, 0.86, 0.8, 0.99),
        rectangle(0.5, 0.65, 0.74, 0.78),
        holes=[circle(0.5, 0.22, 0.09)],
    )


def _drop() -> Silhouette:
    tip = [(0.5, 0.0), (0.58, 0.17), (0.72, 0.38), (0.82, 0.6), (0.77, 0.83), (0.5, 0.98)]
    return compose(smooth(mirrored(tip)), np.array([(0.5, -0.06), (0.57, 0.15), (0.43, 0.15)]))


def _ring() -> Silhouette:
    gem = [(0.3, 0.14), (0.4, 0.02), (0.6, 0.02), (0.7, 0.14), (0.5, 0.36)]
    return compose(
        circle(0.5, 0.64, 0.34),
        np.array(gem),
        holes=[circle(0.5, 0.65, 0.2)],
        marks=[bar(0.32, 0.145, 0.68, 0.145, 0.025)],
    )


def _umbrella() -> Silhouette:
    scallops = [arc(0.5 + dx, 0.5, 0.5 / 3, 0.1, 180, 360) for dx in (-1 / 3, 0, 1 / 3)]
    return compose(
        arc(0.5, 0.5, 0.5, 0.44, 180, 360),
        rectangle(0.45, 0.45, 0.55, 0.86),
        rectangle(0.475, 0.0, 0.525, 0.1),
        band(0.4, 0.85, 0.15, 0.15, 0.1, 0, 180),
        holes=[scallops[0], scallops[2]],
        marks=[
            bar(0.5, 0.07, 0.335, 0.44, 0.022),
            bar(0.5, 0.07, 0.665, 0.44, 0.022),
        ],
    )


def _fish() -> Silhouette:
    return compose(
        arc(0.4, 0.5, 0.4, 0.26),
        np.array([(0.66, 0.5), (1.0, 0.24), (0.92, 0.5), (1.0, 0.76)]),
        np.array([(0.3, 0.3), (0.42, 0.12), (0.6, 0.3)]),
        marks=[circle(0.18, 0.44, 0.04), band(0.16, 0.5, 0.18, 0.26, 0.025, -50, 50)],
    )


def _house() -> Silhouette:
    return compose(
        np.array([(0.5, 0.02), (1.0, 0.48), (0.0, 0.48)]),
        rectangle(0.12, 0.4, 0.88, 0.98),
        rectangle(0.72, 0.06, 0.84, 0.4),
        marks=[rectangle(0.42, 0.62, 0.6, 0.98), rectangle(0.68, 0.58, 0.8, 0.72)],
    )


def _tree() -> Silhouette:
    tiers = [(0.0, 0.36, 0.26), (0.2, 0.58, 0.36), (0.42, 0.82, 0.46)]
    crown = [
        np.array([(0.5, top), (0.5 + half, foot), (0.5 - half, foot)]) for top, foot, half in tiers
    ]
    return compose(*crown, rectangle(0.42, 0.8, 0.58, 1.0))


def _arrow() -> Silhouette:
    return compose(
        np.array([(1.0, 0.5), (0.55, 0.12), (0.55, 0.88)]), rectangle(0.0, 0.37, 0.6, 0.63)
    )


def _heart() -> Silhouette:
    right = [(0.5, 0.24), (0.6, 0.1), (0.76, 0.06), (0.93, 0.16), (0.97, 0.36), (0.86, 0.58)]
    return compose(np.array(mirrored([*open_curve(right), (0.5, 0.96)])))


def _moon() -> Silhouette:
    outer = arc(0.5, 0.5, 0.5, 0.5, 55, 305)
    inner = arc(0.74, 0.5, 0.41, 0.41, 273, 87)
    return compose(np.concatenate([outer, inner]))


def _bolt() -> Silhouette:
    zigzag = [(0.58, 0.0), (0.18, 0.56), (0.44, 0.56), (0.34, 1.0), (0.82, 0.38), (0.54, 0.38)]
    return compose(np.array([*zigzag, (0.74, 0.0)]))


def _crown() -> Silhouette:
    spikes = [(0.5, 0.2), (0.66, 0.52), (0.98, 0.26), (0.9, 0.86)]
    balls = [circle(0.5, 0.18, 0.08), circle(0.96, 0.26, 0.07), circle(0.04, 0.26, 0.07)]
    return compose(np.array(mirrored(spikes)), *balls, marks=[rectangle(0.13, 0.72, 0.87, 0.76)])


def _anchor() -> Silhouette:
    return compose(
        circle(0.5, 0.13, 0.14),
        rectangle(0.43, 0.2, 0.57, 0.96),
        rectangle(0.25, 0.29, 0.75, 0.41),
        band(0.5, 0.57, 0.45, 0.42, 0.15, 0, 180),
        np.array([(0.73, 0.64), (0.88, 0.42), (1.03, 0.64)]),
        np.array([(0.27, 0.64), (0.12, 0.42), (-0.03, 0.64)]),
        holes=[circle(0.5, 0.13, 0.055)],
    )


def _bell() -> Silhouette:
    side = [(0.5, 0.08), (0.68, 0.14), (0.76, 0.3), (0.79, 0.55), (0.86, 0.7)]
    return compose(
        np.array(mirrored([*open_curve(side), (0.95, 0.84)])),
        circle(0.5, 0.06, 0.06),
        circle(0.5, 0.86, 0.12),
        marks=[bar(0.16, 0.7, 0.84, 0.7, 0.035)],
    )


def _leaf() -> Silhouette:
    edge = [(0.5, 0.0), (0.68, 0.2), (0.78, 0.44), (0.7, 0.7), (0.5, 0.86)]
    veins = [
        bar(0.5, y, 0.5 + side * 0.17, y - 0.12, 0.022)
        for y in (0.36, 0.52, 0.68)
        for side in (-1, 1)
    ]
    return compose(
        np.array(mirrored(open_curve(edge))),
        rectangle(0.47, 0.8, 0.53, 1.0),
        marks=[rectangle(0.488, 0.16, 0.512, 0.86), *veins],
    )


def _cross() -> Silhouette:
    return compose(rectangle(0.34, 0.0, 0.66, 1.0), rectangle(0.0, 0.34, 1.0, 0.66))


def _flag() -> Silhouette:
    waves = np.linspace(0, 2 * np.pi, 24)
    top = np.stack([0.16 + 0.13 * waves, 0.1 - 0.06 * np.sin(waves)], axis=1)
    return compose(
        rectangle(0.05, 0.02, 0.17, 1.0),
        circle(0.11, 0.02, 0.075),
        np.concatenate([top, top[::-1] + np.array([0, 0.48])]),
    )


def _cloud() -> Silhouette:
    return compose(
        circle(0.2, 0.58, 0.2),
        circle(0.42, 0.42, 0.25),
        circle(0.68, 0.48, 0.19),
        circle(0.84, 0.62, 0.16),
        rectangle(0.2, 0.55, 0.84, 0.78),
    )


def _boat() -> Silhouette:
    return compose(
        np.array([(0.02, 0.68), (0.98, 0.68), (0.8, 0.94), (0.2, 0.94)]),
        rectangle(0.465, 0.04, 0.525, 0.7),
        np.array([(0.565, 0.1), (0.9, 0.6), (0.565, 0.6)]),
        np.array([(0.425, 0.2), (0.425, 0.6), (0.14, 0.6)]),
        bar(0.425, 0.585, 0.6, 0.585, 0.03),
    )


def _hammer() -> Silhouette:
    return compose(
        rectangle(0.41, 0.2, 0.59, 1.0),
        rectangle(0.1, 0.02, 0.3, 0.38),
        rectangle(0.3, 0.06, 0.68, 0.34),
        np.array([(0.66, 0.06), (0.92, 0.14), (0.98, 0.4), (0.66, 0.34)]),
        marks=[rectangle(0.3, 0.06, 0.33, 0.34)],
    )


def _mushroom() -> Silhouette:
    return compose(
        arc(0.5, 0.52, 0.5, 0.46, 180, 360),
        rectangle(0.06, 0.48, 0.94, 0.56),
        smooth([(0.36, 0.5), (0.64, 0.5), (0.66, 0.74), (0.7, 0.96), (0.3, 0.96), (0.34, 0.74)]),
        marks=[circle(0.32, 0.3, 0.07), circle(0.56, 0.2, 0.06), circle(0.7, 0.37, 0.07)],
    )


BENCHMARK_FORMS: dict[str, Callable[[], Silhouette]] = {
    "star": _star,
    "gear": _gear,
    "mug": _mug,
    "key": _key,
    "drop": _drop,
    "ring": _ring,
    "umbrella": _umbrella,
    "fish": _fish,
    "house": _house,
    "tree": _tree,
    "arrow": _arrow,
    "heart": _heart,
    "moon": _moon,
    "bolt": _bolt,
    "crown": _crown,
    "anchor": _anchor,
    "bell": _bell,
    "leaf": _leaf,
    "cross": _cross,
    "flag": _flag,
    "cloud": _cloud,
    "boat": _boat,
    "hammer": _hammer,
    "mushroom": _mushroom,
}
