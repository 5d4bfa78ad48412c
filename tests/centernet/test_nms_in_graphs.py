import pytest
import torch
from torchvision.ops import nms

from centernet.nms_in_graphs import nms_of_fixed_size, on_a_square, take_or_zero


def boxes_at(*corners):
    low = torch.tensor(corners, dtype=torch.float32)
    return torch.cat([low, low + 10], dim=1)


@pytest.mark.parametrize("count", [3, 40, 100])
def test_it_is_nms_cut_or_filled_up(count):
    torch.manual_seed(0)
    boxes, scores = boxes_at(*(torch.rand(40, 2) * 30).tolist()), torch.rand(40) + 0.1
    kept = nms(boxes, scores, 0.5)[:count]
    found = nms_of_fixed_size(boxes, scores, 0.5, count)
    assert found[: len(kept)].equal(kept)
    assert found[len(kept) :].tolist() == [40] * (count - len(kept))


def test_boxes_of_score_0_are_none_and_suppress_nothing():
    boxes = boxes_at((0, 0), (0, 0), (50, 50))
    assert nms_of_fixed_size(boxes, torch.tensor([0.0, 0.5, 0.0]), 0.5, 2).tolist() == [1, 3]
    assert nms_of_fixed_size(boxes, torch.zeros(3), 0.5, 2).tolist() == [3, 3]


def test_negative_boxes_do_not_meet_what_stands_for_none():
    boxes = boxes_at((-1000, -1000), (-20, -20))
    assert nms_of_fixed_size(boxes, torch.tensor([0.5, 0.6]), 0.5, 2).tolist() == [1, 0]


def test_none_has_no_area_and_score_0():
    boxes = boxes_at((3, 4))
    assert take_or_zero(boxes, torch.tensor([0, 1])).tolist() == [[3, 4, 13, 14], [0, 0, 0, 0]]


def test_classes_of_boxes_left_of_the_image_are_apart():
    boxes = boxes_at((-100, -100), (90, 90)).repeat(4, 1)
    moved = on_a_square(boxes, torch.arange(4).repeat_interleave(2))
    assert nms(moved, torch.linspace(1, 0, 8), 0.001).tolist() == list(range(8))
