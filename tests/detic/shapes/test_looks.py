import numpy as np
import pytest

from detic.shapes.looks import LOOKS, OUTLINES, PAINTS


def painted(look, seed=0):
    v, u = np.indices((40, 40), dtype=np.float32) / 40
    return PAINTS[look](u, v, np.random.default_rng(seed))


def test_five_looks_each_with_an_outline():
    assert LOOKS == ("red", "blue", "yellow", "green striped", "purple dotted")
    assert set(OUTLINES) == set(LOOKS)


@pytest.mark.parametrize("look", ["red", "blue", "yellow"])
def test_plain_looks_have_one_color(look):
    assert len(np.unique(painted(look).reshape(-1, 3), axis=0)) == 1


def test_stripes_are_straight_and_cover_about_half():
    light = painted("green striped")[..., 0] > 120
    assert 0.35 < light.mean() < 0.65
    diagonal_shift = [np.roll(light, (dy, -1), axis=(0, 1))[2:-2, 2:-2] for dy in (0, 1, 2)]
    agreement = [(shifted == light[2:-2, 2:-2]).mean() for shifted in diagonal_shift]
    assert max(agreement) > 0.9  # moving along the stripes changes nothing


def test_dots_are_round_and_apart():
    light = painted("purple dotted")[..., 1] > 140
    assert 0.15 < light.mean() < 0.4


def test_colors_of_the_looks_stay_apart_under_jitter():
    means = np.array(
        [[painted(look, seed).mean(axis=(0, 1)) for seed in range(20)] for look in LOOKS]
    )
    centers = means.mean(axis=1)
    for look, samples in zip(range(5), means, strict=True):
        nearest = np.linalg.norm(samples[:, None] - centers, axis=2).argmin(axis=1)
        assert (nearest == look).all()
