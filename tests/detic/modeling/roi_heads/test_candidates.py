"""Detections of any chunks, limits and ties are those of a plain computation with all scores."""

import pytest
import torch
from torchvision.ops import box_iou

from detic.modeling.request import RequestedClasses
from detic.modeling.roi_heads import class_scores, inference
from detic.modeling.roi_heads.candidates import likeliest_classes, top_candidates
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams
from detic.modeling.roi_heads.inference import detect

SIZE = (100, 100)
NUM_CLASSES = 11


def plain_detections(probs, boxes, params, thresholds, negative, chunk):
    """Return (score, box, class) of one image as the definitions say, without any shortcut."""
    scores = probs.clone()
    if params.one_class_per_proposal:
        scores[probs < probs.amax(dim=1, keepdim=True)] = 0
    lost = (probs * negative).amax(dim=1) > (probs * ~negative).amax(dim=1)
    scores[lost] = 0
    scores[:, negative] = 0
    places = (scores > thresholds).nonzero().tolist()
    places.sort(key=lambda place: (-scores[tuple(place)], place[1] // chunk, place[0], place[1]))
    overlap = box_iou(boxes, boxes)
    kept = []
    for box, label in places:
        if all(label != other or overlap[box, b] <= params.nms_threshold for b, other in kept):
            kept.append((box, label))
    limit = params.max_detections if params.max_detections >= 0 else len(kept)
    return [(scores[b, c].item(), b, c) for b, c in kept[:limit]]


def detections(image):
    fields = (image.scores, image.box_index, image.pred_classes)
    return list(zip(*(values.tolist() for values in fields), strict=True))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("one_class", [True, False])
@pytest.mark.parametrize(("chunk", "kept_bytes"), [(2048, 2**25), (4, 2**25), (3, 0)])
def test_detections_are_the_plain_ones(monkeypatch, seed, one_class, chunk, kept_bytes):
    monkeypatch.setattr(class_scores, "_CHUNK", chunk)
    monkeypatch.setattr(class_scores, "_KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(inference, "_CANDIDATES_PER_DETECTION", 1)
    generator = torch.Generator().manual_seed(seed)
    counts = (9, 0, 14)
    corners = 60 * torch.rand(sum(counts), 2, generator=generator)
    boxes = torch.cat([corners, corners + 30], dim=1)
    # Few different scores: most are equal to others, of the same box and of other boxes.
    probs = torch.randint(0, 8, (len(boxes), NUM_CLASSES), generator=generator) / 8
    thresholds = torch.randint(0, 5, (NUM_CLASSES,), generator=generator) / 8
    negative = torch.rand(NUM_CLASSES, generator=generator) < (0.3 if seed % 2 else 0.0)
    params = ScoreParams(False, one_class, 0.0, 0.4, max_detections=(7, 200, -1)[seed % 3])
    classes = RequestedClasses(torch.zeros(2, NUM_CLASSES + 1), thresholds, negative)

    scores = ClassScores([lambda c: probs[:, c]], 1, torch.ones(len(boxes)), params, classes)
    found = detect(scores, boxes.split(counts), [SIZE] * len(counts), params)
    for image, p, b in zip(found, probs.split(counts), boxes.split(counts), strict=True):
        expected = plain_detections(p, b, params, thresholds, negative, chunk)
        assert detections(image) == expected


def small_scores(probs, **options):
    params = ScoreParams(score_threshold=0.25, **options)
    return ClassScores([lambda c: probs[:, c]], probs.shape[1], probs.new_ones(len(probs)), params)


def test_candidates_of_equal_score_are_in_order_wherever_they_are_cut():
    scores = small_scores(torch.tensor([[0.5, 0.75, 0.5], [0.25, 0.5, 0.5]]))
    for limit in range(7):
        (found,) = top_candidates(scores, [2], limit)
        assert found.boxes.tolist() == [0, 0, 0, 1, 1][:limit]
        assert found.classes.tolist() == [1, 0, 2, 1, 2][:limit]
        assert found.is_complete == (limit >= 5)


def test_classes_that_share_the_highest_score_of_a_box_all_stay():
    scores = small_scores(torch.tensor([[0.5, 0.1, 0.5], [0.1, 0.75, 0.2], [0.25, 0.1, 0.1]]))
    (found,) = likeliest_classes(scores, [3])
    assert found.scores.tolist() == [0.75, 0.5, 0.5]
    assert found.boxes.tolist() == [1, 0, 0]
    assert found.classes.tolist() == [1, 0, 2]


@pytest.mark.parametrize("one_class", [True, False])
def test_a_score_that_is_no_number_is_no_candidate(one_class):
    probs = torch.tensor([[float("nan"), 0.5], [0.75, 0.5]])
    (found,) = detect(
        small_scores(probs, one_class_per_proposal=one_class),
        [torch.tensor([[0.0, 0.0, 9.0, 9.0], [50.0, 50.0, 60.0, 60.0]])],
        *([SIZE], ScoreParams(one_class_per_proposal=one_class)),
    )
    expected = [(0.75, 1, 0)] if one_class else [(0.75, 1, 0), (0.5, 0, 1), (0.5, 1, 1)]
    assert detections(found) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("limit", [3, 20, 500])
def test_gpu_equals_cpu(limit):
    generator = torch.Generator().manual_seed(0)
    probs = torch.randint(0, 8, (30, NUM_CLASSES), generator=generator) / 8
    for found, expected in zip(
        top_candidates(small_scores(probs.cuda()), [10, 20], limit),
        top_candidates(small_scores(probs), [10, 20], limit),
        strict=True,
    ):
        assert found.is_complete == expected.is_complete
        for one, other in zip(found[:3], expected[:3], strict=True):
            assert one.tolist() == other.tolist()
