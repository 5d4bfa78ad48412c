import numpy as np
import pytest
from hotcoco import mask as rle

from detic.result_rows import encoded_masks
from detic.review.polygons import mask_polygons


def encoded(rows):
    mask = np.array([[c == "#" for c in row] for row in rows])
    return encoded_masks(mask[None])[0], mask


def painted(polygons, size_hw):
    parts = [[float(c) for c in points.ravel()] for points in polygons]
    return rle.decode(rle.merge(rle.fr_py_objects(parts, *size_hw)))


def test_outlines_go_along_the_edges_of_pixels():
    mask, _ = encoded(["....", ".##.", "...."])
    [points] = mask_polygons(mask)
    assert set(map(tuple, points.tolist())) == {(1, 1), (3, 1), (3, 2), (1, 2)}


@pytest.mark.parametrize(
    "rows",
    [
        ["#..", "##.", "###"],  # a staircase
        ["##..", "##..", "..##", "..##"],  # two squares that touch at a corner
        ["###.#", "#...#", "###.#"],  # two parts, one with a bay
        ["#"],
    ],
)
def test_exact_outlines_cover_the_mask_and_nothing_else(rows):
    coded, mask = encoded(rows)
    np.testing.assert_array_equal(painted(mask_polygons(coded, 0), mask.shape), mask)


def test_holes_are_filled_and_the_largest_part_comes_first():
    coded, mask = encoded(["#.....", "..###.", "..#.#.", "..###."])
    large, small = mask_polygons(coded, 0)
    assert painted([large], mask.shape).sum() == 9
    assert painted([small], mask.shape).sum() == 1


def test_round_masks_need_few_points():
    y, x = np.mgrid[:100, :100]
    disc = (y - 50) ** 2 + (x - 50) ** 2 < 40**2
    [points] = mask_polygons(encoded_masks(disc[None])[0])
    assert len(points) < 40
    assert (painted([points], disc.shape) != disc).sum() < 0.03 * disc.sum()


def test_what_shows_nothing_has_no_outline():
    assert mask_polygons(encoded(["...", "..."])[0]) == []
