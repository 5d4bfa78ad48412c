import numpy as np
import pytest

from detic.shapes.drawing import draw_sprite
from detic.shapes.looks import LOOKS
from detic.shapes.nouns import ALL_NOUNS


def extent_px(mask):
    return max(np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (0, 1))


@pytest.mark.parametrize("noun", ALL_NOUNS)
def test_longer_side_has_the_wanted_length(noun):
    sprite = draw_sprite(noun, "red", 40, np.random.default_rng(0))
    assert extent_px(sprite.coverage >= 0.5) == pytest.approx(40, abs=1.5)


def test_edges_are_antialiased():
    coverage = draw_sprite("heart", "blue", 30, np.random.default_rng(0)).coverage
    assert coverage.min() == 0
    assert coverage.max() == 1
    assert len(np.unique(coverage)) > 10


def test_holes_are_not_covered():
    coverage = draw_sprite("ring", "blue", 60, np.random.default_rng(0)).coverage
    middle = coverage[coverage.shape[0] * 3 // 5, coverage.shape[1] // 2]
    assert middle == 0


def test_patch_leaves_room_for_the_shadow():
    sprite = draw_sprite("star", "yellow", 40, np.random.default_rng(0))
    edges = [sprite.shadow[0], sprite.shadow[-1], sprite.shadow[:, 0], sprite.shadow[:, -1]]
    assert max(edge.max() for edge in edges) < 0.05
    assert sprite.shadow.max() > 0.2


@pytest.mark.parametrize("look", LOOKS)
def test_outline_is_darker_than_the_surface(look):
    sprite = draw_sprite("cross", look, 60, np.random.default_rng(1))
    ys, xs = np.nonzero(sprite.coverage >= 0.5)
    center = sprite.rgb[ys.mean().astype(int), xs.mean().astype(int)]
    top = sprite.rgb[ys.min() + 1, xs[ys == ys.min() + 1].mean().astype(int)]
    assert top.mean() < 0.7 * center.mean()


def test_same_generator_state_gives_the_same_sprite():
    first, second = (draw_sprite("key", "red", 33, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.rgb, second.rgb)
    np.testing.assert_array_equal(first.coverage, second.coverage)
