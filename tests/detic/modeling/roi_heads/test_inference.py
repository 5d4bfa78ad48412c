import pytest
import torch
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference

from detic.modeling.roi_heads import class_scores, inference
from detic.modeling.roi_heads.class_scores import ClassScores, ScoreParams
from detic.modeling.roi_heads.inference import classwise_nms, detect, on_a_square

SIZE = (100, 100)


def random_boxes(n, generator):
    corners = 80 * torch.rand(n, 2, generator=generator)
    return torch.cat([corners, corners + 5 + 30 * torch.rand(n, 2, generator=generator)], dim=1)


def scores_of(probs, params, proposal_scores=None):
    if proposal_scores is None:
        proposal_scores = torch.ones(len(probs))
    return ClassScores([lambda classes: probs[:, classes]], probs.shape[1], proposal_scores, params)


@pytest.mark.parametrize("num_classes", [1, 3, 50])
@pytest.mark.parametrize("one_class", [True, False])
def test_chunks_and_prefixes_give_the_plain_detections(monkeypatch, num_classes, one_class):
    monkeypatch.setattr(class_scores, "_CHUNK", 7)
    monkeypatch.setattr(inference, "_CANDIDATES_PER_DETECTION", 1)
    generator = torch.Generator().manual_seed(num_classes)
    boxes = random_boxes(60, generator)
    probs = torch.rand(60, num_classes, generator=generator) ** 3
    proposal_scores = torch.rand(60, generator=generator)
    params = ScoreParams(True, one_class, 0.05, 0.5, max_detections=20)

    plain = (probs * proposal_scores[:, None]).sqrt()
    if one_class:
        plain = plain * (plain == plain.amax(dim=1, keepdim=True))
    (expected,), _ = fast_rcnn_inference(
        [boxes], [torch.cat([plain, torch.zeros(60, 1)], dim=1)], [SIZE], 0.05, 0.5, 20
    )
    (found,) = detect(scores_of(probs, params, proposal_scores), [boxes], [SIZE], params)
    torch.testing.assert_close(found.scores, expected.scores)
    torch.testing.assert_close(found.pred_boxes.tensor, expected.pred_boxes.tensor)
    assert found.pred_classes.tolist() == expected.pred_classes.tolist()
    torch.testing.assert_close(boxes[found.box_index].clamp(max=100), found.pred_boxes.tensor)


def test_scores_average_stages_and_take_the_geometric_mean_with_the_proposal():
    params = ScoreParams(multiply_proposal_score=True)
    stages = [lambda c: torch.tensor([[0.2]])[:, c], lambda c: torch.tensor([[0.6]])[:, c]]
    scores = ClassScores(stages, 1, torch.tensor([0.9]), params)
    ((start, chunk),) = scores.chunks()
    assert start == 0
    torch.testing.assert_close(chunk, torch.tensor([[0.6]]))  # sqrt(0.4 * 0.9)


def test_nms_is_exact_with_thousands_of_classes():
    # Overlap 0.5 +- 0.01 around the threshold, in the last of 22 047 classes.
    boxes = torch.tensor(
        [[0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 100.0, 51.0], [0.0, 0.0, 100.0, 49.0]]
    )
    classes = torch.tensor([22046, 22046, 22046])
    kept = classwise_nms(boxes, classes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    assert kept.tolist() == [0, 2]


def test_classes_on_a_square_are_apart_and_hardly_rounded():
    boxes = torch.tensor([[0.0, 0.0, 1333.0, 800.0], [0.1, 0.2, 1332.7, 799.9]])
    boxes = boxes.repeat_interleave(22047, dim=0)
    classes = torch.arange(22047).repeat(2)
    moved = on_a_square(boxes, classes)
    sizes = boxes[:, 2:] - boxes[:, :2]
    torch.testing.assert_close(moved[:, 2:] - moved[:, :2], sizes, atol=1 / 60, rtol=0)
    cells = (moved[:22047, :2] / 1334).round()
    assert len(cells.unique(dim=0)) == 22047
    assert (moved[:, :2] / 1334).round().equal(cells.repeat(2, 1))


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(2, 1)
    kept = classwise_nms(boxes, torch.tensor([0, 1]), torch.tensor([0.3, 0.9]), 0.5)
    assert kept.tolist() == [1, 0]


def test_nothing_above_the_threshold_gives_empty_detections():
    params = ScoreParams(score_threshold=0.5)
    (found,) = detect(scores_of(torch.zeros(2, 3), params), [torch.zeros(2, 4)], [SIZE], params)
    assert len(found) == 0


def test_images_of_a_batch_are_kept_apart():
    params = ScoreParams(score_threshold=0.1)
    probs = torch.tensor([[0.9, 0.0], [0.0, 0.8], [0.7, 0.0]])
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    first, second = detect(
        scores_of(probs, params), [boxes, boxes.repeat(2, 1)], [SIZE, SIZE], params
    )
    assert first.pred_classes.tolist() == [0]
    assert second.pred_classes.tolist() == [1, 0]
    assert second.box_index.tolist() == [0, 1]


@pytest.mark.parametrize(("max_detections", "found"), [(0, 0), (1, 1), (-1, 3)])
def test_number_of_detections_may_be_limited(max_detections, found):
    params = ScoreParams(score_threshold=0.1, max_detections=max_detections)
    probs = torch.tensor([[0.9, 0.8, 0.7]])
    (detections,) = detect(
        scores_of(probs, params), [torch.tensor([[0.0, 0.0, 9.0, 9.0]])], [SIZE], params
    )
    assert detections.scores.tolist() == probs[0, :found].tolist()


def test_boxes_are_clipped_but_not_the_given_ones():
    params = ScoreParams(score_threshold=0.1)
    boxes = torch.tensor([[-5.0, 10.0, 120.0, 90.0]])
    (found,) = detect(scores_of(torch.tensor([[0.5]]), params), [boxes], [SIZE], params)
    assert found.pred_boxes.tensor.tolist() == [[0, 10, 100, 90]]
    assert boxes.tolist() == [[-5, 10, 120, 90]]
