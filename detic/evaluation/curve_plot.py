"""A plot of precision over recall: the mean of all classes, and one class that is chosen.

``templates/curve_plot.svg.jinja`` draws it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from detic.evaluation.plot import BOTTOM, HEIGHT, LEFT, TOP, WIDTH
from detic.evaluation.scores import ClassCurves, ClassTable

RIGHT = 24  # margin
MAX_VALUES = 120_000  # of all classes together; else curves get fewer points
STEPS = (1, 2, 5, 10)  # percent of recall between points


@dataclass(frozen=True)
class ClassCurve:
    """The curve of a class, as the page holds it for the reader to choose."""

    name: str
    ap50: float  # percent
    precisions: list[int]  # percent, at rising recall


@dataclass(frozen=True)
class CurvePlot:
    """A plot of curves, in units of the drawing."""

    mean: list[tuple[float, float]]  # x, y
    mean_ap50: float  # percent
    classes: list[ClassCurve]
    percent_ticks: list[tuple[float, float, int]]  # x, y, percent
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT  # edges of the area with curves
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    def as_json(self) -> list[dict]:
        """Return the curves of all classes as the script of the page reads them."""
        return [asdict(curve) for curve in self.classes]


def curve_plot(classes: ClassTable, curves: ClassCurves) -> CurvePlot | None:
    """Return the plot of the curves of all classes; None if no class has one."""
    ap50 = curves.ap50
    shown = np.flatnonzero(~np.isnan(ap50)).tolist()
    if not shown:
        return None
    mean = curves.precision[:, shown].mean(axis=1)
    step = _step(len(shown), len(mean))
    return CurvePlot(
        mean=points(mean.tolist()),
        mean_ap50=float(ap50[shown].mean()),
        classes=[
            ClassCurve(
                classes.names[index],
                round(float(ap50[index]), 1),
                np.rint(100 * curves.precision[::step, index]).astype(int).tolist(),
            )
            for index in shown
        ],
        percent_ticks=[(*_place(p / 100, p / 100), p) for p in range(0, 101, 25)],
    )


def points(precisions: Sequence[float]) -> list[tuple[float, float]]:
    """Return the places (x, y) of precisions, fractions, at recalls from 0 to 1.

    >>> points([1.0, 0.0])
    [(48.0, 14.0), (736.0, 276.0)]
    """
    last = len(precisions) - 1
    return [_place(number / last, value) for number, value in enumerate(precisions)]


def _place(recall: float, precision: float) -> tuple[float, float]:
    x = LEFT + recall * (WIDTH - RIGHT - LEFT)
    y = TOP + (1 - precision) * (HEIGHT - BOTTOM - TOP)
    return x, y


def _step(num_classes: int, num_recalls: int) -> int:
    """Return how many recalls are one further point, so that the page stays small."""
    fitting = (s for s in STEPS if num_classes * num_recalls / s <= MAX_VALUES)
    return next(fitting, STEPS[-1])
