import numpy as np
import pytest

from detic.rendering.masks import paint_masks

RED = (255, 0, 0)
BLUE = (0, 0, 255)


def square(size, low, high):
    mask = np.zeros((size, size), dtype=bool)
    mask[low:high, low:high] = True
    return mask


def test_inside_is_blended_and_outside_stays():
    canvas = np.full((10, 10, 3), 100, np.uint8)
    paint_masks(canvas, square(10, 2, 8)[None], [RED], opacity=0.5, line_px=0)
    assert canvas[5, 5].tolist() == [50, 50, 178]  # BGR; 177.5 rounds to even
    assert (canvas[~square(10, 2, 8)] == 100).all()


def test_outline_is_opaque():
    canvas = np.zeros((20, 20, 3), np.uint8)
    paint_masks(canvas, square(20, 4, 16)[None], [RED], opacity=0.0, line_px=1)
    assert canvas[4, 10, 2] > 200
    assert canvas[10, 10].tolist() == [0, 0, 0]


def test_small_masks_lie_on_top_of_large_ones():
    masks = np.stack([square(20, 8, 12), square(20, 0, 20)])
    canvas = np.zeros((20, 20, 3), np.uint8)
    paint_masks(canvas, masks, [BLUE, RED], opacity=1.0, line_px=0)
    assert canvas[10, 10].tolist() == [255, 0, 0]
    assert canvas[2, 2].tolist() == [0, 0, 255]


def test_enlarged_mask_covers_the_enlarged_place():
    canvas = np.zeros((80, 80, 3), np.uint8)
    paint_masks(canvas, square(20, 5, 15)[None], [RED], opacity=1.0, line_px=0, upscale=4)
    painted = canvas[:, :, 2] > 0
    assert painted[24:56, 24:56].all()
    assert not painted[:20].any()
    assert not painted[60:].any()
    assert not painted[20, 20]  # corners are rounded


def test_empty_masks_paint_nothing():
    canvas = np.zeros((8, 8, 3), np.uint8)
    masks = np.zeros((2, 8, 8), dtype=bool)
    for upscale in (1, 2):
        paint_masks(canvas, masks, [RED, BLUE], opacity=1.0, line_px=2, upscale=upscale)
    assert not canvas.any()


def test_the_middle_keeps_the_colors_of_the_object_and_the_rim_has_those_of_the_class():
    canvas = np.full((60, 60, 3), 100, np.uint8)
    paint_masks(canvas, square(60, 10, 50)[None], [RED], opacity=0.1, line_px=1)
    reds = canvas[30, 10:31, 2].astype(int)
    assert reds[-1] == pytest.approx(100 + 0.1 * 155, abs=1)
    assert reds[2] > reds[3] > reds[4] > reds[-1]  # behind the outline
    assert (canvas[5:8] == 100).all()
