"""Masks of annotations: which can be used, and what is wrong with others."""

import pytest

from detic.datasets.segmentation import (
    box_of_mask,
    check_masks,
    mask_problem,
    polygon_area,
    usable_mask,
)
from detic.errors import InputError

DAMAGED = "run-length masks with damaged counts"
SUM = "run-length masks whose counts do not add up to the pixels of their image"
OTHER_SIZE = "run-length masks of another size than their image"
NOT_NUMBERS = "polygons with other entries than finite numbers"
PAIRS = "polygons whose points are lists of their own"
FAR = "polygons far away from their image"
NEITHER = "masks that are neither polygons nor run lengths"
TRIANGLE, LINE, ODD = [0, 0, 5, 0, 5, 5], [0, 0, 5, 5], [0, 0, 5, 0, 5, 5, 1]
FOUR_PIXELS = {"size": [6, 8], "counts": "04\\1"}  # the upper four of the first column
NOTHING = {"size": [6, 8], "counts": [48]}


@pytest.mark.parametrize(
    ("segmentation", "usable"),
    [
        ([TRIANGLE, LINE, ODD], [TRIANGLE]),
        ([LINE], None),
        ([[]], None),
        ([], None),
        (None, None),
        (FOUR_PIXELS, FOUR_PIXELS),
        ({"size": [6, 8], "counts": [0, 4, 44]}, {"size": [6, 8], "counts": b"04\\1"}),
        (NOTHING, None),
    ],
)
def test_what_shows_something_can_be_used(segmentation, usable):
    assert usable_mask(segmentation) == usable


def test_boxes_around_masks():
    assert box_of_mask([[1, 2, 4, 2, 4, 6], LINE]) == [1, 2, 3, 4]
    assert box_of_mask(FOUR_PIXELS) == [0, 0, 1, 4]
    assert box_of_mask([LINE]) is None


MALFORMED = [
    ([[0, 0, 5, 0, 5, float("nan")]], NOT_NUMBERS),
    ([[0, 0, 5, 0, 5, float("inf")]], NOT_NUMBERS),
    ([[0, 0, 5, 0, -float("inf"), float("inf")]], NOT_NUMBERS),
    ([[0, 0, 5, 0, 5, None]], NOT_NUMBERS),
    ([[0, 0, 5, 0, 5, {}]], NOT_NUMBERS),
    ([TRIANGLE, ["0", "0", "5", "0", "5", "5"]], NOT_NUMBERS),
    ([[0, 0, 5, 0, 5, 10**400]], FAR),
    ([[0, 0, 5, 0, 5, 2e8]], FAR),
    ([[-801, 0, 5, 0, 5, 5]], FAR),  # the image is 8 pixels wide
    ([[[0, 0], [5, 0], [5, 5]]], PAIRS),
    ("circle", NEITHER),
    (7, NEITHER),
    ([0, 0, 5, 0, 5, 5], NEITHER),
    ([TRIANGLE, None], NEITHER),
    ({"size": [6, 8]}, "run-length masks without counts"),
    ({"counts": "04\\1"}, OTHER_SIZE),
    ({"size": [6, 7], "counts": "04\\1"}, OTHER_SIZE),
    ({"size": [8, 6], "counts": [0, 4, 44]}, OTHER_SIZE),
    ({"size": "6x8", "counts": [0, 4, 44]}, OTHER_SIZE),
    ({"size": [6, 8], "counts": "zzzz~~~"}, DAMAGED),
    ({"size": [6, 8], "counts": "é4\\1"}, DAMAGED),
    ({"size": [6, 8], "counts": "04\\"}, DAMAGED),  # ends in the middle of a number
    ({"size": [6, 8], "counts": [0, 50, -2]}, DAMAGED),
    ({"size": [6, 8], "counts": [0, "48"]}, DAMAGED),
    ({"size": [6, 8], "counts": [0, 4.0, 44]}, DAMAGED),
    ({"size": [6, 8], "counts": None}, DAMAGED),
    ({"size": [6, 8], "counts": [0, 4, 40]}, SUM),
    ({"size": [6, 8], "counts": [0, 4, 10**30]}, SUM),
    ({"size": [6, 8], "counts": "04X1"}, SUM),
    ({"size": [6, 8], "counts": ""}, SUM),
]


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        *MALFORMED,
        ([TRIANGLE], None),
        ([[-2.5, 0, 9.5, 0, 5, 7]], None),  # outside, not far
        (FOUR_PIXELS, None),
        ([ODD], "polygons with an odd number of coordinates"),
        ([TRIANGLE, LINE], "polygons with fewer than three points"),
        ([[0, 0, 5, 5, 2, 2]], "polygons without area"),
        (NOTHING, "empty run-length masks"),
    ],
)
def test_problems_of_masks_are_told_apart(segmentation, problem):
    assert mask_problem(segmentation, (6, 8)) == problem


def check(segmentation):
    good = [{"id": 1, "segmentation": mask} for mask in ([TRIANGLE], FOUR_PIXELS, None)]
    wrong = {"id": 4, "segmentation": segmentation}
    check_masks([({"height": 6, "width": 8}, [*good, wrong])], "a.json")


@pytest.mark.parametrize(("segmentation", "problem"), MALFORMED)
def test_malformed_masks_are_refused_by_annotation(segmentation, problem):
    with pytest.raises(InputError) as caught:
        check(segmentation)
    message = str(caught.value)
    assert message.startswith(f"a.json: annotation 4: 'segmentation' has {problem} (")
    assert len(message) < 600
    assert message.endswith("correct the mask or take it out")


@pytest.mark.parametrize(
    "segmentation", [[], {}, [LINE], [ODD], [[]], NOTHING, [[0, 0, 5, 5, 2, 2]]]
)
def test_masks_that_show_nothing_are_not_refused(segmentation):
    check(segmentation)


def test_the_message_shows_the_coordinate():
    with pytest.raises(InputError, match=r"finite numbers \(None\); expected polygons"):
        check([[0.5] * 5000 + [None]])


def test_the_area_of_a_polygon_does_not_depend_on_its_direction():
    assert polygon_area([1, 1, 5, 1, 5, 4]) == polygon_area([5, 4, 5, 1, 1, 1]) == 6
