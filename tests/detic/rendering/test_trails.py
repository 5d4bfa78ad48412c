from dataclasses import replace

import numpy as np
import pytest

from detic.detections import Detections
from detic.rendering import DrawStyle, Trails

STYLE = DrawStyle(class_colors={"cat": (200, 100, 50)})  # RGB


def at(x, track_id=1):
    """Return a cat of 10 x 10 pixels around (x, 30)."""
    return Detections(
        boxes_xyxy=np.array([[x - 5.0, 25, x + 5, 35]], np.float32),
        scores=np.array([0.5], np.float32),
        labels=np.array([0]),
        names=np.array(["cat"]),
        image_size_hw=(60, 80),
        track_ids=np.array([track_id]),
    )


def painted(trails, detections, upscale=1):
    canvas = np.zeros((60 * upscale, 80 * upscale, 3), np.uint8)
    trails.paint(canvas, detections, replace(STYLE, upscale=upscale))
    return canvas


def test_trails_lead_through_the_last_places():
    trails = Trails(length=3)
    drawn = [painted(trails, at(x)) for x in (10, 30, 50, 70)]
    assert drawn[1][30, 20].tolist() == pytest.approx([50, 100, 200], abs=20)
    assert drawn[2][30, 20].any()
    assert not drawn[3][30, 20].any()  # longer ago than three frames
    assert drawn[3][30, 60].any()


def test_trails_grow_with_the_image():
    trails = Trails()
    painted(trails, at(10), upscale=2)
    assert painted(trails, at(30), upscale=2)[60, 40].any()


def test_lost_objects_lose_their_trails():
    trails = Trails(length=2)
    painted(trails, at(10))
    for _ in range(2):
        painted(trails, at(10)[[]])
    assert not painted(trails, at(70))[30, 40].any()


def test_what_is_not_tracked_has_no_trail():
    trails = Trails()
    for x in (10, 50):
        assert not painted(trails, replace(at(x), track_ids=None)).any()
        assert not painted(trails, at(x, track_id=-1)).any()
