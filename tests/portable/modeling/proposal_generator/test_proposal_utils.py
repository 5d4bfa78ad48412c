import math

import pytest
import torch
from detectron2.modeling.proposal_generator.proposal_utils import (
    add_ground_truth_to_proposals,
    find_top_rpn_proposals,
)
from detectron2.structures import Boxes, Instances

SIZE_HW = (50, 50)


def top_proposals(levels: list[tuple[list, list]], **changes) -> Instances:
    """Return the proposals of one image from (boxes, scores) of each level."""
    arguments = {
        "nms_thresh": 0.5,
        "pre_nms_topk": 10,
        "post_nms_topk": 10,
        "min_box_size": 0.0,
        "training": False,
        **changes,
    }
    boxes = [torch.tensor([level_boxes]) for level_boxes, _ in levels]
    scores = [torch.tensor([level_scores]) for _, level_scores in levels]
    return find_top_rpn_proposals(boxes, scores, [SIZE_HW], **arguments)[0]


LEFT, LEFT_COPY, RIGHT = [0.0, 0, 20, 20], [0.0, 0, 20, 19], [30.0, 0, 50, 20]


def test_duplicates_of_a_level_are_suppressed_and_the_rest_is_sorted():
    proposals = top_proposals([([LEFT_COPY, RIGHT, LEFT], [1.0, 2.0, 3.0])])
    assert proposals.objectness_logits.tolist() == [3, 2]
    assert proposals.proposal_boxes.tensor.tolist() == [LEFT, RIGHT]


def test_duplicates_of_different_levels_stay():
    proposals = top_proposals([([LEFT], [1.0]), ([LEFT_COPY], [2.0])])
    assert proposals.objectness_logits.tolist() == [2, 1]


def test_topk_before_nms_is_per_level_and_after_it_over_all_levels():
    levels = [([LEFT, RIGHT], [9.0, 8.0]), ([LEFT, RIGHT], [1.0, 2.0])]
    assert top_proposals(levels, pre_nms_topk=1).objectness_logits.tolist() == [9, 2]
    assert top_proposals(levels, post_nms_topk=2).objectness_logits.tolist() == [9, 8]


def test_boxes_are_clipped_before_suppression():
    """Outside of the image these boxes differ; inside they are the same."""
    wide = [30.0, 0, 500, 20]
    proposals = top_proposals([([RIGHT, wide], [1.0, 2.0])])
    assert proposals.proposal_boxes.tensor.tolist() == [RIGHT]
    assert proposals.objectness_logits.tolist() == [2]


def test_boxes_must_exceed_the_least_size():
    levels = [([[0.0, 0, 4, 10], [10.0, 10, 15, 20]], [1.0, 1.0])]
    assert len(top_proposals(levels, min_box_size=4.0)) == 1
    assert len(top_proposals([([[60.0, 0, 70, 10]], [1.0])])) == 0


def test_non_finite_proposals_stop_training_and_are_dropped_at_inference():
    levels = [([LEFT, [0.0, 0, math.inf, 5]], [1.0, 2.0]), ([RIGHT], [math.nan])]
    assert top_proposals(levels).objectness_logits.tolist() == [1]
    with pytest.raises(FloatingPointError, match="training has diverged"):
        top_proposals(levels, training=True)


def test_ground_truth_is_appended_with_a_high_logit():
    gt = Instances(SIZE_HW, gt_boxes=Boxes(torch.tensor([RIGHT])), gt_classes=torch.tensor([3]))
    proposals = Instances(
        SIZE_HW, proposal_boxes=Boxes(torch.tensor([LEFT])), objectness_logits=torch.zeros(1)
    )
    (mixed,) = add_ground_truth_to_proposals([gt], [proposals])
    assert mixed.proposal_boxes.tensor.tolist() == [LEFT, RIGHT]
    assert mixed.objectness_logits.tolist() == pytest.approx([0, math.log(1e10)], abs=1e-4)
    assert set(mixed.get_fields()) == {"proposal_boxes", "objectness_logits"}
