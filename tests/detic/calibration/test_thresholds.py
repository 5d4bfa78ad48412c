"""Thresholds that can be found by hand."""

import pytest

from detic.calibration.evidence import ClassEvidence
from detic.calibration.thresholds import (
    MIN_OBJECTS,
    Counts,
    best_threshold,
    expected_calibration_error,
    quiet_threshold,
    shown,
    with_thresholds,
    without_thresholds,
)
from detic.vocabulary import Vocabulary
from detic.vocabulary.vocabulary import ClassEntry

MANY = MIN_OBJECTS


def evidence(*judged, num_objects=MANY):
    scores, is_right = zip(*judged, strict=True) if judged else ((), ())
    return ClassEvidence(list(scores), list(is_right), num_objects)


def test_the_best_threshold_keeps_what_is_right_and_leaves_out_what_is_wrong():
    assert best_threshold(evidence((0.4, True), (0.2, False), (0.8, True))) == 0.3


def test_equal_scores_are_shown_together():
    mixed = evidence((0.8, True), (0.6, True), *[(0.6, False)] * 2 * MANY)  # F1 2/11, then 4/32
    assert best_threshold(mixed) == pytest.approx(0.7)


def test_all_that_is_right_is_shown_down_to_its_lowest_score():
    assert best_threshold(evidence((0.8, True), (0.6, True))) == 0.6


def test_nothing_is_shown_of_a_class_that_is_always_wrong():
    assert best_threshold(evidence((0.6, False), (0.2, False))) == 0.8


def test_few_objects_or_no_detections_tell_no_best_threshold():
    assert best_threshold(evidence((0.6, True), num_objects=MANY - 1)) is None
    assert best_threshold(evidence()) is None


def test_a_quiet_threshold_leaves_as_many_wrong_ones_as_it_may():
    judged = evidence((0.9, False), (0.7, True), (0.6, False), num_objects=0)
    assert quiet_threshold(judged, 0) == pytest.approx(0.901)
    assert quiet_threshold(judged, 1) == pytest.approx(0.601)
    assert quiet_threshold(judged, 2) == 0


def test_thresholds_of_classes_without_objects_rise_and_never_fall():
    vocabulary = Vocabulary.from_names(["loud", "quiet"])
    loud = evidence((0.9, False), (0.8, False), num_objects=0)
    quiet = evidence((0.3, False), num_objects=0)
    fitted = with_thresholds(vocabulary, [loud, quiet], 0.5, false_alarm_share=0)
    assert [e.score_threshold for e in fitted.entries] == [pytest.approx(0.901), None]


def test_negative_classes_stay_and_thresholds_can_be_taken_away():
    vocabulary = Vocabulary((ClassEntry("a", negative=True), ClassEntry("b", score_threshold=0.9)))
    judged = [evidence((0.4, True)), evidence((0.4, True))]
    fitted = with_thresholds(vocabulary, judged, 0.5, false_alarm_share=0)
    assert [e.score_threshold for e in fitted.entries] == [None, 0.4]
    assert [e.score_threshold for e in without_thresholds(fitted).entries] == [None, None]


def test_a_class_shows_what_reaches_its_own_threshold_or_the_common_one():
    judged = evidence((0.4, True), (0.6, False), num_objects=2)
    assert shown(ClassEntry("a"), judged, common=0.5) == Counts(right=0, wrong=1, objects=2)
    own = shown(ClassEntry("a", score_threshold=0.4), judged, common=0.5)
    assert own == Counts(right=1, wrong=1, objects=2)
    assert (own.precision, own.recall) == (0.5, 0.5)


def test_scores_that_are_right_as_often_as_they_say_are_calibrated():
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert expected_calibration_error([0.75] * 4, [False] * 4) == 0.75
    assert expected_calibration_error([], []) == 0
