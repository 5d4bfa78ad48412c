"""Suppression within classes."""

import pytest
import torch
from detectron2.layers import batched_nms
from detectron2.layers._nms_by_pairs import nms_by_pairs
from torchvision.ops import nms


def by_class(boxes, scores, classes, threshold):
    """Return the kept indices of one suppression per class."""
    kept = []
    for label in classes.unique():
        members = (classes == label).nonzero()[:, 0]
        kept.append(members[nms(boxes[members], scores[members], threshold)])
    kept = torch.cat(kept)
    return kept[scores[kept].argsort(descending=True)]


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 9]])
    scores = torch.tensor([0.5, 0.9, 0.8])
    assert batched_nms(boxes, scores, torch.tensor([0, 1, 1]), 0.5).tolist() == [1, 0]


def test_equals_suppression_class_by_class_for_many_classes_and_negative_corners():
    torch.manual_seed(0)
    corners = torch.rand(3000, 2) * 1300 - 100
    boxes = torch.cat((corners, corners + torch.rand(3000, 2) * 20 + 1), dim=1)
    boxes[1500:] = boxes[:1500] + torch.rand(1500, 4) * 4
    scores, classes = torch.rand(3000), torch.randint(1203, (1500,)).repeat(2)
    kept = batched_nms(boxes, scores, classes, 0.5)
    assert torch.equal(kept, by_class(boxes, scores, classes, 0.5))
    assert 1500 <= len(kept) < 3000


def test_no_boxes():
    kept = batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8, 0.95])
def test_pairs_equal_the_kernel(threshold):
    """Crowds of boxes that drop each other in turn, equal ones, equal scores and odd shapes."""
    torch.manual_seed(0)
    corners, sides = torch.rand(40, 2) * 50, torch.rand(40, 2) * 20
    boxes = torch.cat([corners, corners + sides], dim=1).repeat(10, 1).double()
    boxes[:300] += torch.randn(300, 4)
    boxes[350] = float("nan")
    boxes[351:355, 2] = boxes[351:355, 0]
    scores = (torch.rand(len(boxes)) * 30).round().double()
    assert torch.equal(nms_by_pairs(boxes, scores, threshold), nms(boxes, scores, threshold))


def test_many_boxes_of_several_classes_are_suppressed_as_few_are():
    torch.manual_seed(0)
    corners = torch.rand(1200, 2) * 30
    boxes, scores = torch.cat([corners, corners + 40], dim=1), torch.rand(1200)
    classes = torch.arange(1200) % 3
    kept = batched_nms(boxes, scores, classes, 0.8)
    assert kept.tolist() == by_class(boxes, scores, classes, 0.8).tolist()
