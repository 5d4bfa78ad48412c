"""A plot of the precision of all classes over how often they are seen: where everything goes.

``templates/class_plot.svg.jinja`` draws it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detic.evaluation.scores import ClassTable

WIDTH, HEIGHT = 760, 320  # of the drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 48, 112, 14, 44  # margins around the points
MIN_LABEL_DISTANCE = 14


@dataclass(frozen=True)
class PlottedGroup:
    """The points of a group of classes and the line at their mean, in units of the drawing."""

    number: int  # of its colour
    points: list[tuple[float, float, str]]  # x, y, what is said about the class
    begin: float  # x
    end: float  # x
    mean: float  # percent
    mean_y: float
    label: str
    label_y: float = 0.0  # beside the mean, or further down to cover no other label


@dataclass(frozen=True)
class ClassPlot:
    """A plot with a point for each class and a line at the mean of each group."""

    metric: str
    axis_title: str  # of the horizontal axis
    percent_ticks: list[tuple[float, int]]  # y, percent
    count_ticks: list[tuple[float, int]]  # x, count
    groups: list[PlottedGroup]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT  # edges of the area with points
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM
    radius: float = 3.6


def class_plot(classes: ClassTable, class_ap: np.ndarray, metric: str) -> ClassPlot | None:
    """Return the plot of a metric; None if no class has a value.

    Args:
        classes: C classes; those seen in training are placed by the number of training images,
            if known, and otherwise by their annotated instances.
        class_ap: (C,) percent or NaN.
        metric: what the values are called.
    """
    counts, axis_title = _counts(classes)
    shown = np.flatnonzero(~np.isnan(class_ap))
    if shown.size == 0:
        return None
    axis = _LogAxis(max(counts[shown].min(), 1), max(counts[shown].max(), 1))
    groups = []
    for number, group in enumerate(group_order(classes)):
        members = [index for index in shown.tolist() if classes.groups[index] == group]
        if not members:
            continue
        xs = [axis.place(counts[index]) for index in members]
        titles = [f"{classes.names[index]}: {class_ap[index]:.1f}" for index in members]
        ys = [_height(class_ap[index]) for index in members]
        mean = float(class_ap[members].mean())
        groups.append(
            PlottedGroup(
                number=number,
                points=list(zip(xs, ys, titles, strict=True)),
                begin=min(xs) - 4,
                end=max(xs) + 4,
                mean=mean,
                mean_y=_height(mean),
                label=f"{group or 'all'} {mean:.1f}",
            )
        )
    return ClassPlot(
        metric=metric,
        axis_title=axis_title,
        percent_ticks=[(_height(percent), percent) for percent in range(0, 101, 25)],
        count_ticks=[(axis.place(count), count) for count in axis.ticks()],
        groups=_with_label_places(groups),
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


def _with_label_places(groups: Sequence[PlottedGroup]) -> list[PlottedGroup]:
    """Return the groups by rising mean, their labels at places where none covers another."""
    placed = []
    label_y = math.inf
    for group in sorted(groups, key=lambda group: (group.mean, group.number)):
        label_y = min(group.mean_y, label_y - MIN_LABEL_DISTANCE)
        placed.append(replace(group, label_y=label_y))
    return placed
