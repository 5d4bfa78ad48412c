"""Curves of precision over recall: their numbers and their plot."""

import numpy as np
import pytest

from detic.evaluation import curve_plot as plots
from detic.evaluation.coco_protocol import score_coco
from detic.evaluation.curve_plot import curve_plot, points
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.precision_arrays import class_curves
from detic.evaluation.scores import ClassCurves, class_table
from tests.detic.evaluation.conftest import detection

NAMES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "cup"}]


def test_curves_are_those_at_iou_50_of_all_areas():
    precision = np.full((10, 3, 2, 4), 9.0)  # (T, R, C, A); what is not asked for is 9
    recall = np.full((10, 2, 4), 9.0)
    precision[0, :, 0, 0], recall[0, 0, 0] = [1.0, 0.5, 0.0], 0.6
    precision[0, :, 1, 0], recall[0, 1, 0] = -1, -1  # without annotations
    curves = class_curves(precision, recall)
    np.testing.assert_array_equal(curves.precision[:, 0], [1.0, 0.5, 0.0])
    np.testing.assert_allclose(curves.recall, [60, np.nan])
    np.testing.assert_allclose(curves.ap50, [50, np.nan])


@pytest.mark.parametrize("score", [score_coco, score_lvis])
def test_protocols_give_the_curves_of_their_classes(lvis_file, results_of, score):
    boxes = [(1, 1, (0, 0, 20, 20)), (1, 1, (50, 50, 20, 20)), (1, 2, (0, 50, 20, 20))]
    rows = [detection(1, 1, (0, 0, 20, 20), 0.9)]  # of two, and none of class 2
    evaluation = score(lvis_file(boxes), results_of(rows), ("bbox",))
    curves = evaluation.tasks["bbox"].curves
    np.testing.assert_allclose(curves.recall, [50, 0, np.nan])
    np.testing.assert_allclose(curves.ap50, [100 * 51 / 101, 0, np.nan])  # recalls 0 to 0.5
    assert curves.ap50[0] == pytest.approx(2 * evaluation.tasks["bbox"].metrics["AP50"])


def test_the_plot_has_a_curve_for_each_class_and_the_mean():
    precision = np.array([[1.0, 1.0, np.nan], [0.5, 0.0, np.nan], [0.0, 0.0, np.nan]])
    plot = curve_plot(class_table(NAMES, {}), ClassCurves(precision, np.zeros(3)))
    assert plot.as_json() == [
        {"name": "cat", "ap50": 50.0, "precisions": [100, 50, 0]},
        {"name": "dog", "ap50": 33.3, "precisions": [100, 0, 0]},
    ]
    assert plot.mean == points([1.0, 0.25, 0.0])
    assert plot.mean_ap50 == pytest.approx((50 + 100 / 3) / 2)


def test_places_are_within_the_drawing():
    assert points([1.0, 0.0]) == [(48, 14), (736, 276)]


def test_a_plot_of_nothing_is_none():
    nothing = ClassCurves(np.full((3, 3), np.nan), np.full(3, np.nan))
    assert curve_plot(class_table(NAMES, {}), nothing) is None


def test_curves_of_many_classes_have_fewer_points(monkeypatch):
    monkeypatch.setattr(plots, "MAX_VALUES", 100)
    curves = ClassCurves(np.ones((101, 3)), np.zeros(3))
    plot = curve_plot(class_table(NAMES, {}), curves)
    assert len(plot.classes[0].precisions) == 21
    assert len(plot.mean) == 101
