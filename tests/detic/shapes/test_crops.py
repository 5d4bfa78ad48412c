import numpy as np
import pytest

from detic.shapes.classes import draw_classes
from detic.shapes.crops import CroppableObjects, cut_crops, draw_objects
from detic.shapes.streams import Stream


def one_object(box_xywh):
    """A white box on black."""
    x, y, width, height = box_xywh
    scene = np.zeros((1, 128, 128, 3), np.uint8)
    scene[0, y : y + height, x : x + width] = 255
    return CroppableObjects(scene, np.array([0]), np.array([box_xywh]), np.array([0]))


def test_plain_crop_is_centred_with_15_percent_of_context():
    (crop,) = cut_crops(one_object((40, 30, 40, 20)), [0])
    ys, xs = np.nonzero(crop[..., 0] > 127)
    assert crop.shape == (48, 48, 3)
    assert (ys.min() + ys.max()) / 2 == (xs.min() + xs.max()) / 2 == 23.5
    assert np.ptp(xs) + 1 == pytest.approx(48 / 1.15, abs=1)
    assert np.ptp(ys) + 1 == pytest.approx(24 / 1.15, abs=1)


def test_jittered_crops_always_hold_most_of_the_object():
    objects = one_object((40, 30, 30, 30))
    for seed in range(20):
        (crop,) = cut_crops(objects, [0], np.random.default_rng(seed))
        assert (crop[..., 0] > 127).mean() > 0.45


def test_crops_at_the_border_repeat_it():
    (crop,) = cut_crops(one_object((0, 0, 40, 40)), [0])
    assert crop[0, 0, 0] == 255


def test_objects_know_their_scene_and_class():
    classes = draw_classes(0)[:6]
    objects = draw_objects(classes, 4, 0, Stream.CAPTION_SCENES)
    assert objects.scenes.shape == (4, 128, 128, 3)
    assert set(objects.scene_index) == {0, 1, 2, 3}
    assert set(objects.class_index) <= set(range(6))
    assert (objects.boxes_xywh[:, 2:] > 0).all()
    assert len(objects) == len(objects.boxes_xywh)
