import cv2
import numpy as np
import pytest
import torch

from detic.export.verification import _agreement, detect, typical_classes
from detic.paths import resource

BOX = [10.0, 10.0, 20.0, 20.0]


def found(*rows):
    boxes, scores, classes = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "classes": np.array(classes, np.int64),
    }


def test_equal_detections_agree_in_any_order():
    one = found((BOX, 0.5, 1), ([0, 0, 5, 5], 0.5, 2))
    other = found(([0, 0, 5, 5.01], 0.5, 2), (BOX, 0.50005, 1))
    agreement = _agreement(one, other, 0.02)
    assert (agreement.num_matched, agreement.num_objects) == (2, 2)
    assert agreement.max_score_difference == pytest.approx(5e-5, rel=0.01)
    assert agreement.max_box_difference_px == pytest.approx(0.01, rel=0.01)


def test_an_object_matches_once():
    agreement = _agreement(found((BOX, 0.5, 1)), found(*[(BOX, 0.5, 1)] * 3), 0.02)
    assert (agreement.num_matched, agreement.num_objects) == (1, 3)


@pytest.mark.parametrize(
    "other",
    [
        found(),
        found(([10, 10, 20, 20.1], 0.5, 1)),  # another box
        found((BOX, 0.51, 1)),  # another score
        found((BOX, 0.5, 2)),  # another class
    ],
)
def test_other_detections_do_not_agree(other):
    agreement = _agreement(found((BOX, 0.5, 1)), other, 0.02)
    assert (agreement.num_matched, agreement.num_objects) == (0, 1)


def test_one_at_the_threshold_may_be_found_by_one_alone():
    agreement = _agreement(found((BOX, 0.02005, 1)), found(), 0.02)
    assert (agreement.num_matched, agreement.num_objects) == (0, 0)


def test_typical_classes_tell_regions_apart(shapes_detector):
    scene = cv2.imread(str(resource("docs/pictures/scene.png")))
    model, image = shapes_detector().model, torch.from_numpy(scene)
    classes = typical_classes(model, image, 64)
    scores = detect(model, image, classes, torch.zeros(len(classes))).scores
    assert len(scores.unique()) == len(scores)
    assert scores.max() < 0.9
