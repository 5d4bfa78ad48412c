import pytest
import torch
from detectron2.modeling.matcher import Matcher

NEGATIVE, IGNORED, POSITIVE = 0, -1, 1


def rpn_matcher(allow_low_quality_matches: bool = False) -> Matcher:
    return Matcher([0.3, 0.7], [NEGATIVE, IGNORED, POSITIVE], allow_low_quality_matches)


def test_label_is_that_of_the_interval_of_the_best_quality():
    quality = torch.tensor([[0.1, 0.5, 0.2, 0.9], [0.2, 0.4, 0.8, 0.0]])
    matches, labels = rpn_matcher()(quality)
    assert matches.tolist() == [1, 0, 1, 0]
    assert labels.tolist() == [NEGATIVE, IGNORED, POSITIVE, POSITIVE]
    assert matches.dtype == torch.int64
    assert labels.dtype == torch.int8


def test_interval_contains_its_lower_end():
    _, labels = rpn_matcher()(torch.tensor([[0.3, 0.7]]))
    assert labels.tolist() == [IGNORED, POSITIVE]


def test_without_objects_everything_gets_the_lowest_label():
    matches, labels = rpn_matcher()(torch.zeros(0, 3))
    assert matches.tolist() == [0, 0, 0]
    assert labels.tolist() == [NEGATIVE] * 3


def test_low_quality_match_gives_every_object_a_positive_including_ties():
    quality = torch.tensor([[0.9, 0.0, 0.0, 0.0], [0.0, 0.2, 0.2, 0.1]])
    matches, labels = rpn_matcher(allow_low_quality_matches=True)(quality)
    assert labels.tolist() == [POSITIVE, POSITIVE, POSITIVE, NEGATIVE]
    assert matches.tolist() == [0, 1, 1, 1]


def test_low_quality_match_keeps_the_object_of_the_highest_quality():
    """The first prediction is the best of both objects; it stays with the one it fits better."""
    matches, labels = rpn_matcher(allow_low_quality_matches=True)(torch.tensor([[0.4], [0.5]]))
    assert matches.tolist() == [1]
    assert labels.tolist() == [POSITIVE]


def test_object_that_overlaps_nothing_ties_with_every_prediction():
    _, labels = rpn_matcher(allow_low_quality_matches=True)(torch.zeros(1, 3))
    assert labels.tolist() == [POSITIVE] * 3


@pytest.mark.parametrize(
    ("thresholds", "labels"),
    [
        ([0.7, 0.3], [0, -1, 1]),  # falling
        ([0.5], [0, -1, 1]),  # one label too many
    ],
)
def test_wrong_intervals_are_refused(thresholds, labels):
    with pytest.raises(ValueError, match="increasing thresholds and one more label"):
        Matcher(thresholds, labels)


def test_low_quality_matches_can_be_set_alone():
    labels = torch.zeros(3, dtype=torch.int8)
    rpn_matcher().set_low_quality_matches_(labels, torch.tensor([[0.1, 0.2, 0.0]]))
    assert labels.tolist() == [0, 1, 0]
