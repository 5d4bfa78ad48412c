import numpy as np
import pytest

from detic.shapes.geometry import (
    arc,
    band,
    bar,
    circle,
    cogwheel,
    mirrored,
    open_curve,
    rectangle,
    smooth,
    star,
)


def area(polygon):
    x, y = polygon.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_circle_has_the_area_of_a_circle():
    assert area(circle(0.3, 0.4, 0.2)) == pytest.approx(np.pi * 0.04, rel=0.01)


def test_half_turn_goes_clockwise_from_the_right():
    points = arc(0, 0, 2, 1, 0, 180, num=3)
    np.testing.assert_allclose(points, [(2, 0), (0, 1), (-2, 0)], atol=1e-12)


def test_full_turn_does_not_repeat_its_first_point():
    assert len(np.unique(arc(0, 0, 1, 1, num=8).round(6), axis=0)) == 8


def test_band_is_what_the_inner_arc_leaves_of_the_outer():
    quarter = area(band(0, 0, 1, 1, 0.4, 0, 90))
    assert quarter == pytest.approx(np.pi * (1 - 0.36) / 4, rel=0.01)


def test_bar_is_length_times_width():
    assert area(bar(0, 0, 3, 4, 0.2)) == pytest.approx(5 * 0.2)


def test_smooth_curve_passes_through_its_points():
    knots = [(0.0, 0.0), (1.0, 0.2), (0.8, 1.0), (0.1, 0.7)]
    np.testing.assert_allclose(smooth(knots, per_segment=5)[::5], knots)


def test_open_curve_starts_and_ends_at_its_ends():
    curve = open_curve([(0.0, 0.0), (0.5, 0.4), (1.0, 0.0)])
    assert curve[0] == (0, 0)
    assert curve[-1] == (1, 0)
    assert len(curve) == 17


def test_mirrored_outline_repeats_no_point_of_the_axis():
    assert mirrored([(0.5, 0), (0.8, 0.5), (0.5, 1)]) == [
        (0.5, 0),
        (0.8, 0.5),
        (0.5, 1),
        (pytest.approx(0.2), 0.5),
    ]


def test_star_points_upwards():
    np.testing.assert_allclose(star(0.5, 0.5, 0.5, 0.2, tips=5)[0], (0.5, 0), atol=1e-12)


def test_cogwheel_alternates_between_two_radii():
    radii = np.linalg.norm(cogwheel(0, 0, 1, 0.7, teeth=6), axis=1)
    np.testing.assert_allclose(radii, [0.7, 1, 1, 0.7] * 6)


def test_rectangle_has_four_corners():
    assert area(rectangle(0.1, 0.2, 0.5, 0.7)) == pytest.approx(0.2)
