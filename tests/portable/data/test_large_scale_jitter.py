"""Random scales, crops of a fixed size, and what they do to masks."""

import numpy as np
import pytest
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.data.transforms._crop import clip_polygon
from detectron2.structures import BoxMode, polygons_to_bitmask
from pycocotools import mask as mask_util

from .helpers import seeded, uniform

RECTANGLE = (2.0, 3.0, 10.0, 9.0)


def area(points):
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@pytest.mark.parametrize("seed", range(4))
def test_scale_fits_the_image_into_the_scaled_target(image, seed):
    resize = seeded(seed, T.ResizeScale(0.5, 1.5, target_height=100, target_width=90), image)
    ratio = uniform(seed, 0.5, 1.5) * min(100 / 40, 90 / 60)
    assert (resize.new_h, resize.new_w) == (np.round(40 * ratio), np.round(60 * ratio))


@pytest.mark.parametrize("seed", range(4))
def test_one_number_places_the_crop_on_both_axes(image, seed):
    crop, border = seeded(seed, T.FixedSizeCrop((30, 20)), image).transforms
    position = uniform(seed)
    assert (crop.y0, crop.x0) == (np.round(10 * position), np.round(40 * position))
    assert (crop.h, crop.w) == (30, 20)
    assert (border.x1, border.y1) == (0, 0)


def test_small_images_are_filled_up_with_grey(image):
    tfm = T.FixedSizeCrop((50, 100)).get_transform(image)
    cropped = tfm.apply_image(image)
    np.testing.assert_array_equal(cropped[:40, :60], image)
    assert cropped.shape == (50, 100, 3)
    assert (cropped[40:] == 128).all()
    assert (cropped[:, 60:] == 128).all()
    labels = tfm.apply_segmentation(np.zeros((40, 60), dtype=np.uint8))
    assert (labels[40:] == 255).all()
    assert T.FixedSizeCrop((50, 30), pad=False).get_transform(image).apply_image(image).shape == (
        40,
        30,
        3,
    )


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        ([[3, 4], [5, 4], [5, 6]], [[3, 4], [5, 4], [5, 6]]),  # inside
        ([[0, 0], [20, 0], [20, 20], [0, 20]], [[2, 3], [10, 3], [10, 9], [2, 9]]),  # around
        ([[20, 20], [30, 20], [30, 30]], []),  # outside
        ([[0, 3], [2, 3], [2, 9], [0, 9]], []),  # touches along a side
        ([[1, 4], [3, 4], [3, 5], [1, 5]], [[2, 4], [3, 4], [3, 5], [2, 5]]),  # one side
    ],
)
def test_polygons_are_cut_at_a_rectangle(polygon, expected):
    parts = clip_polygon(np.array(polygon, dtype=float), RECTANGLE)
    points = [tuple(point) for part in parts for point in part.tolist()]
    assert sorted(points) == sorted(tuple(map(float, p)) for p in expected)
    assert len(parts) == (1 if expected else 0)


def test_parts_of_a_polygon_have_the_area_of_the_whole():
    generator = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 9))
        radii = generator.uniform(1, 9, 9)
        star = 8 + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
        x, y = generator.uniform(4, 12, 2)
        parts = [(-9, -9, x, y), (x, -9, 99, y), (-9, y, x, 99), (x, y, 99, 99)]
        areas = [area(piece) for part in parts for piece in clip_polygon(star, part)]
        assert sum(areas) == pytest.approx(area(star))


def test_a_polygon_falls_into_pieces():
    comb = np.array([[0, 0], [9, 0], [9, 8], [6, 8], [6, 2], [3, 2], [3, 8], [0, 8]], dtype=float)
    teeth = sorted(sorted(piece.tolist()) for piece in clip_polygon(comb, (0, 4, 9, 9)))
    assert teeth == [[[0, 4], [0, 8], [3, 4], [3, 8]], [[6, 4], [6, 8], [9, 4], [9, 8]]]


def test_what_passes_a_corner_outside_leaves_nothing_there():
    # Two arms of a hook reach into the rectangle, its bend lies beyond the corner (4, 4).
    hook = [[0, 1], [0, 0], [9, 0], [9, 9], [0, 9], [0, 8], [8, 8], [8, 1]]
    pieces = clip_polygon(np.array(hook, dtype=float), (0, 0, 4, 4))
    assert [sorted(piece.tolist()) for piece in pieces] == [[[0, 0], [0, 1], [4, 0], [4, 1]]]


def test_an_outline_along_the_cut_leaves_no_spike():
    (piece,) = clip_polygon(np.array([[2.0, 2], [2, 4], [6, 5], [1, 7]]), (2, 2, 6, 6))
    assert piece[:, 1].min() == 4


def test_a_polygon_that_crosses_itself_keeps_its_pieces_together():
    # Two overlapping triangles of height 9 and base 6, cut at 8 / 9 of their height
    peaks = np.array([[0, -1], [3, 8], [6, -1], [2, -1], [5, 8], [8, -1]], dtype=float)
    (piece,) = clip_polygon(peaks, (-1, 0, 9, 9))
    assert area(piece) == pytest.approx(2 * 27 * (8 / 9) ** 2)


def annotation(segmentation, bbox):
    return {
        "bbox": bbox,
        "bbox_mode": BoxMode.XYXY_ABS,
        "category_id": 0,
        "segmentation": segmentation,
    }


@pytest.mark.parametrize("kind", ["polygon", "run lengths"])
def test_crops_cut_masks(kind):
    crop = T.CropTransform(10, 5, 20, 20, orig_w=40, orig_h=40)
    square = [4.0, 8.0, 16.0, 8.0, 16.0, 30.0, 4.0, 30.0]
    whole = polygons_to_bitmask([np.array(square)], 40, 40)
    segmentation = [square]
    if kind == "run lengths":
        segmentation = mask_util.encode(np.asfortranarray(whole.astype(np.uint8)))
    annotations = [
        utils.transform_instance_annotations(
            annotation(segmentation, [4, 8, 16, 30]), crop, (20, 20)
        )
    ]
    instances = utils.annotations_to_instances(annotations, (20, 20), "bitmask")
    np.testing.assert_array_equal(instances.gt_masks.tensor[0].numpy(), whole[5:25, 10:30])
    assert instances.gt_boxes.tensor.tolist() == [[0, 3, 6, 20]]


def test_what_fills_up_a_small_image_belongs_to_no_mask():
    mask = np.zeros((20, 30), dtype=np.uint8, order="F")
    mask[5:10, 5:15] = 1
    filled_up = T.FixedSizeCrop((40, 40)).get_transform(np.zeros((20, 30, 3)))
    moved = utils.transform_instance_annotations(
        annotation(mask_util.encode(mask), [5, 5, 15, 10]), filled_up, (40, 40)
    )
    assert moved["segmentation"].shape == (40, 40)
    assert moved["segmentation"].sum() == 50


def test_objects_outside_a_crop_vanish():
    crop = T.CropTransform(0, 0, 10, 10, orig_w=40, orig_h=40)
    outside = annotation([[20.0, 20.0, 30.0, 20.0, 30.0, 30.0]], [20, 20, 30, 30])
    inside = annotation([[1.0, 1.0, 5.0, 1.0, 5.0, 5.0]], [1, 1, 5, 5])
    annotations = [
        utils.transform_instance_annotations(a, crop, (10, 10)) for a in (outside, inside)
    ]
    instances = utils.annotations_to_instances(annotations, (10, 10))
    assert instances.gt_masks.nonempty().tolist() == [False, True]
    assert len(utils.filter_empty_instances(instances)) == 1


def test_random_crops_cut_polygons(image):
    crop = T.RandomCrop("absolute", (10, 10)).get_transform(image)
    (part,) = crop.apply_polygons([np.array([[0.0, 0.0], [60.0, 0.0], [60.0, 40.0], [0.0, 40.0]])])
    assert area(part) == 100
