import numpy as np
import pytest
import torch

from detic.export.reference import Reference
from detic.export.verification import Agreement, _agreement, verified_in_words

BOX = [10.0, 10.0, 20.0, 20.0]


def found(*rows):
    boxes, scores, classes = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "classes": np.array(classes, np.int64),
        "region_embeddings": np.ones((len(rows), 4), np.float32) / 2,
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


def test_an_object_with_another_region_embedding_is_another():
    one, other = found((BOX, 0.5, 1)), found((BOX, 0.5, 1))
    other["region_embeddings"][0, 3] += 5e-4
    assert _agreement(one, other, 0.02).max_embedding_difference == pytest.approx(5e-4, rel=1e-3)
    other["region_embeddings"][0, 3] += 1e-3
    agreement = _agreement(one, other, 0.02)
    assert (agreement.num_matched, agreement.num_objects) == (0, 1)


@pytest.mark.parametrize(
    ("probability", "is_equal"),
    [(0.9, True), (0.4, False), (0.495, True)],
    ids=["the same pixels", "a hole", "in doubt"],
)
def test_masks_are_equal_in_all_pixels_that_are_not_in_doubt(probability, is_equal):
    one, other = found((BOX, 0.5, 1)), found((BOX, 0.5, 1))
    one["masks"] = [np.pad(np.ones((10, 10), bool), 1)]  # of the box, with its surroundings
    other["masks"] = np.ones((1, 28, 28), np.float32)
    other["masks"][0, 8:20, 8:20] = probability
    assert _agreement(one, other, 0.02).num_matched == is_equal
    del other["masks"]
    assert _agreement(one, other, 0.02).num_matched == 0


def reference_of(*in_images):
    return Reference([torch.zeros(9, 9, 3)] * len(in_images), torch.zeros(2, 4), 0.0, in_images)


def test_true_counts_are_told():
    objects = (BOX, 0.5, 1), (BOX, 0.4, 1), (BOX, 0.00005, 1)  # the last is at the threshold
    words = verified_in_words(reference_of(found(*objects), found(), found(*objects)))
    assert words.startswith("98% of the 4 objects that the detector finds in 3 images are found by")
    assert words.endswith("region embeddings within 0.001")
    assert verified_in_words(reference_of(found(), found())).startswith("nothing: ")
    assert str(Agreement(0, 0)).startswith("nothing was compared")
