"""Flips and resizes; their draws are those of np.random in a documented order."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from .helpers import seeded, uniform


@pytest.mark.parametrize("seed", range(4))
def test_flip_draws_one_uniform_number(image, seed):
    flip = seeded(seed, T.RandomFlip(prob=0.5), image)
    assert isinstance(flip, T.HFlipTransform if uniform(seed) < 0.5 else T.NoOpTransform)
    after_one_draw = np.random.RandomState(seed)
    after_one_draw.uniform()
    assert np.random.uniform() == after_one_draw.uniform()


def test_flip_has_one_direction(image):
    vertical = T.RandomFlip(1.0, horizontal=False, vertical=True).get_transform(image)
    np.testing.assert_array_equal(vertical.apply_image(image), image[::-1])
    for both in (True, False):
        with pytest.raises(ValueError, match="set either horizontal or vertical"):
            T.RandomFlip(horizontal=both, vertical=both)


@pytest.mark.parametrize(
    ("size_hw", "short_edge", "max_size", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((400, 1000), 800, 1333, (533, 1333)),  # the longer side is the limit
        ((7, 7), 10, 100, (10, 10)),
    ],
)
def test_output_shape_of_resize_shortest_edge(size_hw, short_edge, max_size, expected):
    shape = T.ResizeShortestEdge.get_output_shape(*size_hw, short_edge, max_size)
    assert shape == expected


@pytest.mark.parametrize("seed", range(4))
def test_range_draws_an_integer_including_both_ends(image, seed):
    resize = seeded(seed, T.ResizeShortestEdge((20, 22), 1000, "range"), image)
    assert resize.new_h == np.random.RandomState(seed).randint(20, 23)
    assert (resize.h, resize.w, resize.new_w) == (40, 60, round(resize.new_h * 1.5))


@pytest.mark.parametrize("seed", range(4))
def test_choice_draws_from_the_list(image, seed):
    resize = seeded(seed, T.ResizeShortestEdge([10, 20, 32], sample_style="choice"), image)
    assert resize.new_h == np.random.RandomState(seed).choice([10, 20, 32])


def test_resize_shortest_edge_special_cases(image):
    assert T.ResizeShortestEdge(20).get_transform(image).new_h == 20
    assert isinstance(T.ResizeShortestEdge(0).get_transform(image), T.NoOpTransform)
    with pytest.raises(ValueError, match="unknown sample_style 'any'; choose 'range' or 'choice'"):
        T.ResizeShortestEdge(20, sample_style="any")
    with pytest.raises(
        ValueError, match=r"lowest and the highest short_edge_length, got \(1, 2, 3\)"
    ):
        T.ResizeShortestEdge((1, 2, 3), sample_style="range")


def test_resize_scale_fits_into_the_scaled_rectangle(image):
    resize = seeded(7, T.ResizeScale(0.5, 2.0, 100, 90), image)
    scale = uniform(7, 0.5, 2.0) * min(100 / 40, 90 / 60)
    assert (resize.new_h, resize.new_w) == (round(40 * scale), round(60 * scale))
