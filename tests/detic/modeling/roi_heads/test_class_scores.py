"""Scores of boxes, chunk by chunk, and classes that hide others."""

import pytest
import torch

from detic.modeling.request import RequestedClasses
from detic.modeling.roi_heads import class_scores
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams


def scores_of(probs, params=None, **classes):
    probs = torch.tensor(probs)
    columns = torch.zeros(4, probs.shape[1] + 1)
    return ClassScores(
        [lambda classes: probs[:, classes]],
        probs.shape[1],
        torch.ones(len(probs)),
        params or ScoreParams(),
        RequestedClasses(columns, **classes),
    )


def all_chunks(scores):
    return torch.cat([chunk for _, chunk in scores.reportable_chunks()], dim=1).tolist()


def test_a_box_is_not_lost_to_a_negative_class_of_equal_score():
    negative = torch.tensor([True, False])
    scores = scores_of([[0.5, 0.5], [0.75, 0.5], [0.5, 0.75]], negative=negative)
    assert all_chunks(scores) == [[0, 0.5], [0, 0], [0, 0.75]]


def test_scores_of_boxes_are_those_before_classes_compete():
    params = ScoreParams(one_class_per_proposal=True)
    scores = scores_of([[0.5, 0.25], [0.125, 0.75]], params, negative=torch.tensor([True, False]))
    assert scores.of_boxes(torch.tensor([1, 0, 1])).tolist() == [
        [0.125, 0.75],
        [0.5, 0.25],
        [0.125, 0.75],
    ]


@pytest.mark.parametrize(("num_classes", "starts"), [(2, [0]), (3, [0, 2]), (4, [0, 2])])
def test_chunks_cover_each_class_once(monkeypatch, num_classes, starts):
    monkeypatch.setattr(class_scores, "_CHUNK", 2)
    scores = scores_of([[0.5] * num_classes])
    assert [start for start, _ in scores.chunks()] == starts
    assert all_chunks(scores) == [[0.5] * num_classes]


@pytest.mark.parametrize(
    ("kept_bytes", "chunk", "times"),
    [(8, 2, 1), (8, 1, 1), (7, 2, 1), (7, 1, 3)],
    ids=["in one chunk", "in two that fit", "in one that does not", "in two that do not"],
)
def test_scores_that_fit_into_memory_are_computed_once(monkeypatch, kept_bytes, chunk, times):
    monkeypatch.setattr(class_scores, "_CHUNK", chunk)
    monkeypatch.setattr(class_scores, "_KEPT_BYTES", kept_bytes)
    asked = []

    def stage(classes):
        asked.append(classes)
        return torch.tensor([[0.5, 0.25]])[:, classes]

    scores = ClassScores([stage], 2, torch.ones(1), ScoreParams())
    for _ in range(3):
        assert all_chunks(scores) == [[0.5, 0.25]]
    assert len(asked) == times * 2 // chunk


def test_thresholds_are_the_vocabulary_s_before_the_common_one():
    params = ScoreParams(score_threshold=0.25)
    assert scores_of([[0.5, 0.5]], params).thresholds.tolist() == [0.25, 0.25]
    own = torch.tensor([0.5, 0.125])
    assert scores_of([[0.5, 0.5]], params, score_thresholds=own).thresholds.equal(own)
