import numpy as np
import pytest
from pycocotools import mask as coco_mask

from detic.shapes.classes import draw_classes
from detic.shapes.images import random_scene
from detic.shapes.masks import mask_to_box_xywh, mask_to_polygons, without_specks


def rasterized(polygons, size_hw):
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size_hw))).astype(bool)


def block(size, *windows):
    mask = np.zeros((size, size), bool)
    for rows, columns in windows:
        mask[rows, columns] = True
    return mask


def test_polygon_of_a_block_runs_along_its_pixel_edges():
    mask = block(10, (slice(2, 5), slice(3, 9)))
    (polygon,) = mask_to_polygons(mask)
    corners = np.reshape(polygon, (-1, 2))
    assert sorted(map(tuple, corners.tolist())) == [(3, 2), (3, 5), (9, 2), (9, 5)]
    assert mask_to_box_xywh(mask) == [3, 2, 6, 3]


def test_each_connected_part_has_its_polygon():
    mask = block(12, (slice(0, 3), slice(0, 3)), (slice(6, 10), slice(5, 11)))
    assert len(mask_to_polygons(mask)) == 2


def test_holes_stay_outside_the_polygon():
    mask = block(24, (slice(2, 22), slice(3, 21)))
    mask[6:10, 6:12] = False
    mask[14:19, 9:18] = False
    (polygon,) = mask_to_polygons(mask)
    np.testing.assert_array_equal(rasterized([polygon], (24, 24)), mask)
    x, y = np.reshape(polygon, (-1, 2)).T
    assert abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 == pytest.approx(
        mask.sum(),
        abs=2,  # corners of holes are cut by an eighth of a pixel
    )


def test_polygons_agree_with_the_masks_of_drawn_objects():
    classes = draw_classes(0)
    for seed in range(6):
        for drawn in random_scene(classes, np.random.default_rng(seed)).objects:
            polygons = mask_to_polygons(drawn.mask)
            assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in polygons)
            again = rasterized(polygons, drawn.mask.shape)
            overlap = (again & drawn.mask).sum() / (again | drawn.mask).sum()
            assert overlap > 0.9
            assert again.sum() == pytest.approx(drawn.mask.sum(), rel=0.1)


def test_specks_are_dropped_and_parts_of_four_pixels_kept():
    mask = block(10, (slice(0, 1), slice(0, 3)), (slice(5, 7), slice(5, 7)))
    np.testing.assert_array_equal(without_specks(mask), block(10, (slice(5, 7), slice(5, 7))))
