"""The table of all classes on the page of an evaluation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detic.evaluation.confusion import Confusions
from detic.evaluation.scores import Evaluation

NUM_OTHERS = 3  # classes that a class was taken for


@dataclass(frozen=True)
class ClassRow:
    """What the table says about a class."""

    name: str
    group: str
    num_gt: int
    percents: Sequence[float]  # NaN without annotations
    taken_for: str  # the other classes its objects were taken for most, with counts
    num_taken: int  # objects that were taken for any other class
    missed: int  # objects that were not detected


@dataclass(frozen=True)
class ClassesTable:
    """A row per class; ``metrics`` are the names of the columns ``percents``."""

    metrics: Sequence[str]
    rows: Sequence[ClassRow]

    @property
    def has_groups(self) -> bool:
        return any(row.group for row in self.rows)


def classes_table(evaluation: Evaluation, confusions: Confusions) -> ClassesTable:
    """Return what is known about each class, in the order of the classes."""
    columns = _columns(evaluation)
    classes = evaluation.classes
    others = confusions.taken_for()
    rows = [
        ClassRow(
            name=name,
            group=classes.groups[index],
            num_gt=classes.num_gt[index],
            percents=[float(values[index]) for values in columns.values()],
            taken_for=_in_words(others.get(index, [])[:NUM_OTHERS], classes.names),
            num_taken=sum(count for _, count in others.get(index, [])),
            missed=confusions.missed(index),
        )
        for index, name in enumerate(classes.names)
    ]
    return ClassesTable(list(columns), rows)


def _columns(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Return the values of classes, (C,) percent, by the name of the column."""
    columns: dict[str, np.ndarray] = {}
    for task, score in evaluation.tasks.items():
        prefix = f"{task} " if len(evaluation.tasks) > 1 else ""
        of_task = dict(score.class_ap)
        if score.curves is not None:
            of_task |= {"AP50": score.curves.ap50, "recall": score.curves.recall}
        columns |= {prefix + name: values for name, values in of_task.items()}
    return columns


def _in_words(others: Sequence[tuple[int, int]], names: Sequence[str]) -> str:
    return ", ".join(f"{names[index]} {count}" for index, count in others)


def shade(count: int, row_total: int) -> int:
    """Return how dark a cell of a matrix is, 0 to 100 percent, by its share of its row.

    >>> [shade(0, 10), shade(1, 10), shade(10, 10), shade(0, 0)]
    [0, 19, 100, 0]
    """
    return 0 if not count else math.ceil(10 + 90 * count / row_total)
