"""Views of squares and bars by two tiles of 100 x 100 pixels, which share the columns from 60 to 100."""

import numpy as np
import pytest

from detic.predictor.tile_merging import Views, merge_views

SIZE_HW = (100, 160)
LEFT, RIGHT = WINDOWS = [(0, 0, 100, 100), (60, 0, 160, 100)]


def merged(left, right, labels=None, scores=None):
    """Return the rows of each object; rows of the left tile come first."""
    boxes = [np.array(part, float).reshape(-1, 4) for part in (left, right)]
    views = Views.of(boxes, WINDOWS, SIZE_HW)
    count = len(left) + len(right)
    labels = np.zeros(count, int) if labels is None else np.array(labels)
    scores = np.linspace(0.9, 0.1, count) if scores is None else np.array(scores)
    return [sorted(rows) for rows in merge_views(views, labels, scores)], views


def test_inner_borders_cut_and_those_of_the_image_do_not():
    boxes = [[0, 0, 20, 20], [70, 50, 99.5, 80], [70, 50, 95, 80]], [[60.5, 5, 70, 9]]
    _, views = merged(*boxes)
    assert views.is_cut.tolist() == [False, True, False, True]


def test_a_whole_view_wins_over_a_part_of_a_higher_score():
    objects, _ = merged([[50, 10, 90, 50]], [[60, 10, 90, 50]], scores=[0.3, 0.9])
    assert objects == [[0]]


def test_a_small_part_is_not_told_apart_from_its_whole():
    assert merged([[50, 10, 66, 50]], [[60, 12, 65, 30]])[0] == [[0]]


def test_a_part_of_another_name_goes_if_it_looks_like_the_whole():
    assert merged([[50, 10, 90, 50]], [[60, 10, 90, 50]], labels=[0, 1])[0] == [[0]]
    objects, _ = merged([[50, 10, 90, 50]], [[60, 10, 70, 30]], labels=[0, 1])
    assert objects == [[0], [1]]


@pytest.mark.parametrize("label", [0, 1])
def test_two_whole_views_become_the_better_one(label):
    objects, _ = merged([[65, 10, 95, 40]], [[66, 10, 95, 41]], [0, label], scores=[0.5, 0.6])
    assert objects == [[1]]


def test_several_names_of_one_tile_stay():
    left, right = [[65, 10, 95, 40]] * 2, [[65, 10, 95, 40]] * 2
    assert merged(left, right, labels=[0, 1, 0, 2])[0] == [[0], [1]]


def test_parts_of_what_no_tile_sees_whole_are_joined():
    objects, views = merged([[20, 40, 100, 60]], [[60, 41, 140, 60]])
    assert objects == [[0, 1]]
    assert views.box_of(objects[0]).tolist() == [20, 40, 140, 60]
    assert merged([[20, 40, 100, 60]], [[60, 40, 140, 60]], labels=[0, 1])[0] == [[0], [1]]


def test_neighbours_stay_apart():
    whole = [[40, 10, 64, 50]], [[66, 10, 90, 50]]
    parts = [[80, 10, 100, 50]], [[60, 60, 80, 90]]
    assert merged(*whole)[0] == [[0], [1]]
    assert merged(*parts)[0] == [[0], [1]]


def test_objects_of_one_tile_are_not_merged():
    assert merged([[10, 10, 50, 50], [11, 10, 50, 50]], [])[0] == [[0], [1]]


def test_nothing_becomes_nothing():
    assert merged([], [])[0] == []
