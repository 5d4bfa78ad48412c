from itertools import combinations

import cv2
import numpy as np
import pytest

from detic.shapes.nouns import ALL_NOUNS, BENCHMARK_NOUNS, HELD_OUT_NOUNS, silhouette

SIDE_PX = 64


def filled(noun):
    form = silhouette(noun)
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for polygons, value in ((form.solids, 1), (form.holes, 0)):
        for polygon in polygons:
            cv2.fillPoly(mask, [np.round(polygon * (SIDE_PX - 1)).astype(np.int32)], value)
    return mask.astype(bool)


def test_24_nouns_make_the_benchmark_and_8_are_held_out():
    assert (len(BENCHMARK_NOUNS), len(HELD_OUT_NOUNS)) == (24, 8)
    assert len(set(ALL_NOUNS)) == 32


@pytest.mark.parametrize("noun", ALL_NOUNS)
def test_solids_fill_the_unit_square(noun):
    corners = np.concatenate(silhouette(noun).solids)
    low, high = corners.min(axis=0), corners.max(axis=0)
    assert (high - low).max() == pytest.approx(1)
    np.testing.assert_allclose((low + high) / 2, 0.5)


@pytest.mark.parametrize("noun", ALL_NOUNS)
def test_holes_and_marks_lie_within_the_body(noun):
    form = silhouette(noun)
    inner = np.concatenate([*form.holes, *form.marks, np.full((1, 2), 0.5)])
    corners = np.concatenate(form.solids)
    assert (inner >= corners.min(axis=0) - 1e-6).all()
    assert (inner <= corners.max(axis=0) + 1e-6).all()


def test_no_two_silhouettes_look_alike():
    masks = {noun: filled(noun) for noun in ALL_NOUNS}
    for first, second in combinations(ALL_NOUNS, 2):
        a, b = masks[first], masks[second]
        assert (a & b).sum() / (a | b).sum() < 0.8, (first, second)
