from itertools import combinations

import numpy as np
import pytest

from detic.rendering.palette import (
    PALETTES,
    _candidate,
    class_color,
    distinct_colors,
    oklab,
    oklch_to_rgb,
    text_color,
)

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
    _candidate.cache_clear()
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


def distances(colors):
    return [np.linalg.norm(np.subtract(oklab(a), oklab(b))) for a, b in combinations(colors, 2)]


def test_oklab_of_srgb_colors():
    # White is (1, 0, 0); of red, the length of (a, b) is its chroma, 0.2577.
    assert oklab((255, 255, 255)) == pytest.approx((1, 0, 0), abs=1e-4)
    assert np.hypot(*oklab((255, 0, 0))[1:]) == pytest.approx(0.2577, abs=1e-3)


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_colors_of_one_drawing_are_far_apart(first):
    names = NAMES[first : first + 6]
    colors = distinct_colors(names)
    assert min(distances(colors.values())) > 0.12
    own = sum(colors[name] == class_color(name) for name in names)
    assert own >= 3


def test_colors_that_are_taken_stay():
    taken = {"class 1": (10, 20, 30), "class 2": class_color("class 3")}
    colors = distinct_colors(["class 1", "class 3"], taken=taken)
    assert colors == taken | {"class 3": colors["class 3"]}
    assert colors["class 3"] != class_color("class 3")


def test_colors_do_not_depend_on_the_order_of_names():
    assert distinct_colors(NAMES[:9]) == distinct_colors(NAMES[8::-1])


def test_a_crowd_of_classes_has_its_own_colors():
    colors = distinct_colors(NAMES)
    assert sum(colors[name] == class_color(name) for name in NAMES) > 270
