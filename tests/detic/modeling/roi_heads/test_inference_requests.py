"""What a vocabulary and a caller may ask of detections beyond the model's own parameters."""

import torch
from detectron2.structures import Instances

from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads import class_scores
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams
from detic.modeling.roi_heads.inference import add_extras, detect
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier

SIZE = (10, 10)
BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [5.0, 5.0, 9.0, 9.0]])
PROBS = torch.tensor([[0.9, 0.6, 0.3], [0.2, 0.8, 0.4]])  # 2 boxes, 3 classes


def found_classes(params, **wishes):
    classes = RequestedClasses(torch.zeros(2, 4), **wishes)  # 3 and the background
    scores = ClassScores([lambda c: PROBS[:, c]], 3, torch.ones(2), params, classes)
    (found,) = detect(scores, [BOXES], [SIZE], params)
    return sorted(zip(found.box_index.tolist(), found.pred_classes.tolist(), strict=True))


def test_each_class_has_its_threshold():
    params = ScoreParams(score_threshold=0.0)
    thresholds = torch.tensor([0.95, 0.7, 0.35])
    assert found_classes(params, score_thresholds=thresholds) == [(1, 1), (1, 2)]


def test_negative_class_takes_all_of_its_box():
    params = ScoreParams(score_threshold=0.0)
    negative = torch.tensor([True, False, False])
    assert found_classes(params, negative=negative) == [(1, 1), (1, 2)]


def test_negative_class_that_is_second_best_is_only_hidden():
    negative = torch.tensor([False, True, False])
    one_class = ScoreParams(score_threshold=0.0, one_class_per_proposal=True)
    assert found_classes(one_class, negative=negative) == [(0, 0)]
    every_class = ScoreParams(score_threshold=0.0)
    assert found_classes(every_class, negative=negative) == [(0, 0), (0, 2)]


def test_wishes_hold_across_chunks_of_classes(monkeypatch):
    monkeypatch.setattr(class_scores, "_CHUNK", 1)
    test_each_class_has_its_threshold()
    test_negative_class_takes_all_of_its_box()
    test_negative_class_that_is_second_best_is_only_hidden()


def test_extras_are_those_of_the_detected_boxes_of_each_image():
    torch.manual_seed(0)
    classifier = ZeroShotClassifier(in_features=2, class_embeddings=torch.rand(3, 4))
    x = torch.rand(3, 2)  # 1 box in the first image, 2 in the second
    probs = torch.rand(3, 3)
    params = ScoreParams(multiply_proposal_score=True, one_class_per_proposal=True)
    scores = ClassScores([lambda c: probs[:, c]], 3, torch.tensor([0.5, 0.6, 0.7]), params)
    detections = [
        Instances(SIZE, box_index=torch.tensor([0])),
        Instances(SIZE, box_index=torch.tensor([1, 0, 1])),
    ]
    add_extras(
        detections,
        [1, 2],
        x,
        scores,
        classifier,
        DetectionRequest(region_embeddings=True, class_scores=True),
    )
    plain = (probs * torch.tensor([[0.5], [0.6], [0.7]])).sqrt()
    torch.testing.assert_close(detections[0].class_scores, plain[[0]])
    torch.testing.assert_close(detections[1].class_scores, plain[[2, 1, 2]])
    embedded = classifier.embed(x) / classifier.temperature
    torch.testing.assert_close(detections[1].region_embeddings, embedded[[2, 1, 2]])


def test_nothing_is_added_unasked():
    detections = [Instances(SIZE, box_index=torch.tensor([0]))]
    scores = ClassScores([lambda c: PROBS[:, c]], 3, torch.ones(2), ScoreParams())
    add_extras(detections, [2], torch.rand(2, 2), scores, None, DetectionRequest())
    assert list(detections[0].get_fields()) == ["box_index"]
