import math

import torch
from detectron2.modeling.roi_heads.fast_rcnn import (
    fast_rcnn_inference,
    fast_rcnn_inference_single_image,
)

SIZE_HW = (50, 50)
LEFT, LEFT_COPY, RIGHT = [0.0, 0, 20, 20], [0.0, 0, 20, 19], [30.0, 0, 50, 20]


def detect(boxes, scores, score_thresh=0.1, nms_thresh=0.5, topk=10):
    return fast_rcnn_inference_single_image(
        torch.tensor(boxes), torch.tensor(scores), SIZE_HW, score_thresh, nms_thresh, topk
    )


def test_one_region_can_be_detected_as_several_classes():
    detections, regions = detect([LEFT], [[0.3, 0.6, 0.9]])
    assert detections.pred_classes.tolist() == [1, 0]
    assert regions.tolist() == [0, 0]


def test_background_column_and_low_scores_are_dropped():
    detections, _ = detect([LEFT, RIGHT], [[0.1, 0.05, 0.9], [0.2, 0.0, 0.9]])
    assert detections.scores.tolist() == [0.20000000298023224]
    assert detections.pred_boxes.tensor.tolist() == [RIGHT]


def test_suppression_is_within_a_class():
    detections, regions = detect([LEFT, LEFT_COPY], [[0.5, 0.2, 0], [0.6, 0.0, 0]])
    assert detections.pred_classes.tolist() == [0, 1]
    assert regions.tolist() == [1, 0]


def test_topk_keeps_the_best():
    _, regions = detect([LEFT, RIGHT], [[0.5, 0], [0.6, 0]], topk=1)
    assert regions.tolist() == [1]
    assert len(detect([LEFT, RIGHT], [[0.5, 0], [0.6, 0]], topk=-1)[0]) == 2


def test_class_specific_boxes():
    detections, _ = detect([LEFT + RIGHT], [[0.2, 0.4, 0.0]])
    assert detections.pred_classes.tolist() == [1, 0]
    assert detections.pred_boxes.tensor.tolist() == [RIGHT, LEFT]


def test_boxes_are_clipped_to_the_image():
    detections, _ = detect([[-5.0, 10, 99, 99]], [[0.5, 0.0]])
    assert detections.pred_boxes.tensor.tolist() == [[0, 10, 50, 50]]
    assert detections.image_size == SIZE_HW


def test_non_finite_regions_are_dropped():
    detections, _ = detect([[0.0, 0, math.nan, 5], RIGHT], [[0.9, 0], [0.5, 0]])
    assert detections.pred_boxes.tensor.tolist() == [RIGHT]


def test_images_are_independent():
    boxes = [torch.tensor([LEFT]), torch.zeros(0, 4)]
    scores = [torch.tensor([[0.9, 0.0]]), torch.zeros(0, 2)]
    detections, regions = fast_rcnn_inference(boxes, scores, [SIZE_HW] * 2, 0.1, 0.5, 10)
    assert [len(d) for d in detections] == [1, 0]
    assert [len(r) for r in regions] == [1, 0]
