from itertools import combinations

import pytest

from detic.rendering.palette import PALETTES, class_color, oklch_to_rgb, text_color

NAMES = [f"class {i}" for i in range(300)]


def test_oklch_ends_are_black_and_white():
    assert oklch_to_rgb(0.0, 0.0, 0.0) == (0, 0, 0)
    assert oklch_to_rgb(1.0, 0.0, 0.0) == (255, 255, 255)


def test_oklch_of_srgb_red():
    # sRGB red is OKLCH (0.628, 0.2577, 29.23 degrees).
    assert oklch_to_rgb(0.628, 0.2570, 29.23) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("palette", PALETTES)
def test_colors_are_bytes_and_the_same_every_time(palette):
    colors = [class_color(name, palette) for name in NAMES]
    assert all(0 <= part <= 255 for color in colors for part in color)
    class_color.cache_clear()
    assert colors == [class_color(name, palette) for name in NAMES]


def test_colors_do_not_depend_on_the_process():
    # Python's own hash of a text differs from run to run.
    assert class_color("cat") == (247, 224, 79)


def test_vivid_colors_are_spread():
    colors = [class_color(name) for name in NAMES[:20]]
    equal = [pair for pair in combinations(colors, 2) if pair[0] == pair[1]]
    assert not equal
    assert len({max(range(3), key=color.__getitem__) for color in colors}) == 3


@pytest.mark.parametrize("palette", PALETTES)
def test_text_on_every_color_can_be_read(palette):
    for name in NAMES:
        background = class_color(name, palette)
        difference = abs(luma(text_color(background)) - luma(background))
        assert difference > 80


def luma(color):
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
