import numpy as np
import pytest

from detic.shapes import scene
from detic.shapes.classes import draw_classes
from detic.shapes.masks import mask_to_box_xywh
from detic.shapes.scene import draw_label_image, draw_scene

CLASSES = draw_classes(0)


def draw(seed, count=5):
    rng = np.random.default_rng(seed)
    return draw_scene([CLASSES[index] for index in rng.integers(len(CLASSES), size=count)], rng)


def test_scene_has_the_objects_asked_for():
    image = draw_scene(CLASSES[:3], np.random.default_rng(0))
    assert image.rgb.shape == (128, 128, 3)
    assert image.rgb.dtype == np.uint8
    assert [drawn.shape_class for drawn in image.objects] == list(CLASSES[:3])


@pytest.mark.parametrize("seed", range(4))
def test_no_pixel_belongs_to_two_objects(seed):
    masks = np.stack([drawn.mask for drawn in draw(seed).objects])
    assert masks.sum(axis=0).max() == 1


def test_objects_measure_15_to_45_percent_when_nothing_hides_them():
    for seed in range(10):
        (drawn,) = draw(seed, count=1).objects
        longer = max(mask_to_box_xywh(drawn.mask)[2:])
        assert 0.15 * 128 - 1.5 <= longer <= 0.45 * 128 + 1.5


def test_at_least_65_percent_of_each_object_stay_in_sight(monkeypatch):
    placed = []
    paste = scene._Canvas.paste

    def record(canvas, shape_class, sprite, corner_yx):
        paste(canvas, shape_class, sprite, corner_yx)
        placed.append(canvas.full_areas_px[-1])

    monkeypatch.setattr(scene._Canvas, "paste", record)
    for seed in range(10):
        placed.clear()
        image = draw(seed, count=7)
        visible = [drawn.mask.sum() for drawn in image.objects]
        for seen_px, full_px in zip(visible, placed, strict=True):
            assert seen_px >= 0.65 * full_px - 8  # specks that are dropped


def test_dominant_object_fills_most_of_a_label_image():
    for seed in range(10):
        image = draw_label_image(CLASSES[7], CLASSES[:2], np.random.default_rng(seed))
        assert image.rgb.shape == (64, 64, 3)
        dominant = image.objects[-1]
        assert dominant.shape_class == CLASSES[7]
        assert max(mask_to_box_xywh(dominant.mask)[2:]) >= 0.65 * 64 - 1.5


def test_same_seed_gives_the_same_scene():
    np.testing.assert_array_equal(draw(3).rgb, draw(3).rgb)
