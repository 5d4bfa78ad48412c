"""Masks of annotations: which can be used, and what is wrong with others."""

import numpy as np
import pytest
from pycocotools import mask as mask_util

from detic.datasets.segmentation import (
    has_only_polygons,
    keep_all_masks_or_none,
    mask_problem,
    polygon_area,
    run_lengths,
    usable_polygons,
)

DAMAGED = "run-length masks with damaged counts"
SUM = "run-length masks whose counts do not add up to the pixels of their image"


def test_polygons_of_three_points_can_be_used():
    triangle, line, odd = [0, 0, 5, 0, 5, 5], [0, 0, 5, 5], [0, 0, 5, 0, 5, 5, 1]
    assert usable_polygons([triangle, line, odd]) == [triangle]
    assert has_only_polygons([triangle])
    assert not has_only_polygons([triangle, line])
    assert has_only_polygons({"size": [6, 8], "counts": "04\\1"})


def test_masks_of_some_annotations_alone_are_removed(caplog):
    records = [{"annotations": [{"segmentation": []}, {}]}]
    keep_all_masks_or_none(records, "pets")
    assert records == [{"annotations": [{}, {}]}]
    assert "pets: 1 of 2 annotations have masks, which are not used" in caplog.text


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        ([[0, 0, 5, 0, 5, 5]], None),
        ([[0, 0, 5, 0, 5, float("nan")]], "polygons with other entries than finite numbers"),
        ([[0, 0, 5, 0, 5, 10**400]], "polygons with other entries than finite numbers"),
        ([["0", "0", "5", "0", "5", "5"]], "polygons with other entries than finite numbers"),
        ([[0, 0, 5, 0, 5, 5, 1]], "polygons with an odd number of coordinates"),
        ("circle", "masks that are neither polygons nor run lengths"),
        ([0, 0, 5, 0, 5, 5], "masks that are neither polygons nor run lengths"),
        ({"size": [6, 8]}, "run-length masks without counts"),
        ({"size": [6, 8], "counts": "04\\1"}, None),
        ({"size": [6, 8], "counts": "zzzz~~~"}, DAMAGED),
        ({"size": [6, 8], "counts": "04\\"}, DAMAGED),  # ends in the middle of a number
        ({"size": [6, 8], "counts": [0, 50, -2]}, DAMAGED),
        ({"size": [6, 8], "counts": [0, "48"]}, DAMAGED),
        ({"size": [6, 8], "counts": None}, DAMAGED),
        ({"size": [6, 8], "counts": [0, 4, 40]}, SUM),
        ({"size": [6, 8], "counts": ""}, SUM),
    ],
)
def test_problems_of_masks_are_told_apart(segmentation, problem):
    assert mask_problem(segmentation, (6, 8)) == problem


def test_compressed_counts_are_those_of_the_coco_api():
    pixels = np.random.RandomState(0).rand(40, 300) < 0.1
    pixels[:, 50:200] = False  # a run of thousands, so that numbers take several characters
    text = mask_util.encode(np.asfortranarray(pixels, dtype=np.uint8))["counts"].decode()
    lengths = run_lengths(text)
    restored = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(300, 40).T
    np.testing.assert_array_equal(restored, pixels)


def test_the_area_of_a_polygon_does_not_depend_on_its_direction():
    assert polygon_area([1, 1, 5, 1, 5, 4]) == polygon_area([5, 4, 5, 1, 1, 1]) == 6
