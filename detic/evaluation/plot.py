"""An image of the precision of all classes over how often they are seen, as SVG.

Colours are left to the style sheet of the page: classes ``group-0``, ``group-1``, ... for the
groups of classes, ``axis``, ``tick`` and ``grid`` for the rest.
"""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from detic.evaluation.scores import ClassTable

WIDTH, HEIGHT = 760, 320  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 48, 112, 14, 44  # margins around the points
RADIUS = 3.6
MIN_LABEL_DISTANCE = 14


def class_plot(classes: ClassTable, class_ap: np.ndarray, metric: str) -> str:
    """Return a plot with a point for each class, and a line at the mean of each group.

    Args:
        classes: C classes; those seen in training are placed by the number of training images,
            if known, and otherwise by their annotated instances.
        class_ap: (C,) percent or NaN.
        metric: what the values are called.
    """
    counts, axis_title = _counts(classes)
    shown = np.flatnonzero(~np.isnan(class_ap))
    if shown.size == 0:
        return ""
    axis = _LogAxis(max(counts[shown].min(), 1), max(counts[shown].max(), 1))
    groups = group_order(classes)
    parts = [_grid(axis, axis_title, metric)]
    means = []
    for number, group in enumerate(groups):
        members = [index for index in shown.tolist() if classes.groups[index] == group]
        if not members:
            continue
        xs = [axis.place(counts[index]) for index in members]
        points = [
            _point(x, class_ap[index], f"{classes.names[index]}: {class_ap[index]:.1f}")
            for x, index in zip(xs, members, strict=True)
        ]
        parts.append(f'<g class="point group-{number}">{"".join(points)}</g>')
        means.append((float(class_ap[members].mean()), number, group or "all", min(xs), max(xs)))
    parts.append(_mean_lines(means))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(metric)} of each class">{"".join(parts)}</svg>'
    )


def group_order(classes: ClassTable) -> list[str]:
    """Return the groups that classes are in: rare, common, frequent; else by first appearance."""
    present = dict.fromkeys(classes.groups)
    known = [group for group in ("rare", "common", "frequent") if group in present]
    return known + [group for group in present if group not in known]


def _counts(classes: ClassTable) -> tuple[np.ndarray, str]:
    """Return what places the classes on the horizontal axis, (C,), and its title."""
    if any(count is None for count in classes.num_train_images):
        return np.array(classes.num_gt), "annotated instances in the evaluated set"
    return np.array(classes.num_train_images), "training images with the class"


class _LogAxis:
    """A horizontal axis on which equal factors are equally far apart."""

    def __init__(self, smallest: float, largest: float):
        margin = 0.04 * (math.log10(largest / smallest) or 1)
        self._first = math.log10(smallest) - margin
        self._last = math.log10(largest) + margin

    def place(self, value: float) -> float:
        """Return the x of a value; those below 1 are placed at 1."""
        share = (math.log10(max(value, 1)) - self._first) / (self._last - self._first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[int]:
        """Return round numbers on the axis: powers of ten, with 2 and 5 if those are few."""
        decades = range(math.floor(self._first), math.ceil(self._last) + 1)
        on_axis = {
            step: [
                round(factor * 10**decade)
                for decade in decades
                for factor in step
                if decade >= 0 and self._first <= math.log10(factor * 10**decade) <= self._last
            ]
            for step in ((1,), (1, 2, 5))
        }
        return on_axis[(1,)] if len(on_axis[(1,)]) > 2 else on_axis[(1, 2, 5)]


def _height(percent: float) -> float:
    """Return the y of a precision."""
    return TOP + (1 - percent / 100) * (HEIGHT - TOP - BOTTOM)


def _point(x: float, percent: float, title: str) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{_height(percent):.1f}" r="{RADIUS}">'
        f"<title>{escape(title)}</title></circle>"
    )


def _grid(axis: _LogAxis, axis_title: str, metric: str) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for percent in range(0, 101, 25):
        y = _height(percent)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 8, y + 4, str(percent), "tick", "end"))
    for count in axis.ticks():
        parts.append(_text(axis.place(count), bottom + 18, f"{count:,}", "tick", "middle"))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 6, axis_title, "axis", "middle"))
    turned = f'transform="rotate(-90 12 {(TOP + bottom) / 2})"'
    parts.append(_text(12, (TOP + bottom) / 2, f"{metric}, percent", "axis", "middle", turned))
    return "".join(parts)


def _mean_lines(means: Sequence[tuple[float, int, str, float, float]]) -> str:
    """Return a line over each group at its mean, with a label at the right that covers no other.

    Args:
        means: percent, number and name of a group, and the x its points begin and end at.
    """
    parts = []
    label_y = math.inf
    for percent, number, group, begin, end in sorted(means):
        y = _height(percent)
        label_y = min(y, label_y - MIN_LABEL_DISTANCE)
        parts.append(
            f'<g class="mean group-{number}">'
            f'<line x1="{begin - 4:.1f}" x2="{end + 4:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + _text(WIDTH - RIGHT + 8, label_y + 4, f"{group} {percent:.1f}", "label", "start")
            + "</g>"
        )
    return "".join(parts)


def _text(x: float, y: float, text: str, style: str, anchor: str, extra: str = "") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>'
        f"{escape(text)}</text>"
    )
