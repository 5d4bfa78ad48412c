"""The table of all classes."""

import math

import numpy as np

from detic.evaluation.class_rows import classes_table, shade
from detic.evaluation.confusion import NOTHING, Confusions
from detic.evaluation.scores import ClassCurves, Evaluation, TaskScore, class_table

CLASSES = class_table([{"id": i, "name": name} for i, name in enumerate("abcde")], {0: 9, 1: 2})
CURVES = ClassCurves(np.full((3, 5), 0.5), np.full(5, 70.0))


def table(tasks, counts=None):
    return classes_table(
        Evaluation(CLASSES, tasks, 1, lambda category_id: []), Confusions(counts or {}, 5)
    )


def test_columns_are_what_the_protocol_knows_of_classes():
    ap = {"AP": np.array([10.0, math.nan, 0, 0, 0])}
    assert table({"bbox": TaskScore({}, ap)}).metrics == ["AP"]
    first = table({"bbox": TaskScore({}, ap, curves=CURVES)})
    assert first.metrics == ["AP", "AP50", "recall"]
    assert first.rows[0].percents == [10, 50, 70]
    both = table({"bbox": TaskScore({}, ap, curves=CURVES), "segm": TaskScore({}, ap)})
    assert both.metrics == ["bbox AP", "bbox AP50", "bbox recall", "segm AP"]


def test_rows_tell_what_a_class_was_taken_for():
    counts = {(0, 1): 1, (0, 2): 4, (0, 3): 2, (0, 4): 1, (0, NOTHING): 3, (0, 0): 7}
    row, other, *_ = table({"bbox": TaskScore({}, {"AP": np.zeros(5)})}, counts).rows
    assert (row.taken_for, row.num_taken, row.missed, row.num_gt) == ("c 4, d 2, b 1", 8, 3, 9)
    assert (other.taken_for, other.num_taken, other.missed, other.num_gt) == ("", 0, 0, 2)


def test_cells_are_as_dark_as_their_share_of_the_row():
    assert [shade(0, 10), shade(1, 10), shade(10, 10), shade(0, 0)] == [0, 19, 100, 0]
