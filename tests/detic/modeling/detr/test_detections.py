import torch

from detic.modeling.detr.detections import best_detections

# Two queries, three classes
SCORES = torch.tensor([[[0.9, 0.1, 0.3], [0.2, 0.8, 0.05]]])
BOXES = torch.tensor([[[0.5, 0.5, 0.2, 0.4], [0.1, 0.5, 0.4, 0.2]]])


def detect(limit, thresholds=None):
    return best_detections(SCORES, BOXES, [(50, 100)], limit, thresholds)[0]


def test_the_best_scores_of_all_queries_and_classes_are_reported():
    found = detect(3)
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8, 0.3]))
    assert found.pred_classes.tolist() == [0, 1, 2]
    assert found.box_index.tolist() == [0, 1, 0]  # one query may be two things


def test_boxes_are_in_pixels_and_may_leave_the_image():
    found = detect(2)
    expected = torch.tensor([[40.0, 15.0, 60.0, 35.0], [-10.0, 20.0, 30.0, 30.0]])
    torch.testing.assert_close(found.pred_boxes.tensor, expected)
    assert found.image_size == (50, 100)


def test_no_limit_and_limits_beyond_what_there_is_report_all():
    assert len(detect(-1)) == len(detect(100)) == 6


def test_scores_are_above_the_threshold_of_their_class():
    found = detect(6, thresholds=torch.tensor([0.2, 0.1, 0.0]))
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8, 0.3, 0.05]))
