"""Boxes, their formats and their overlaps."""

import numpy as np
import pytest
import torch
from detectron2.structures import (
    Boxes,
    BoxMode,
    pairwise_ioa,
    pairwise_iou,
    pairwise_point_box_distance,
)
from detectron2.structures.boxes import matched_pairwise_iou, pairwise_intersection

from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in


def boxes(*rows):
    return Boxes(torch.tensor(rows, dtype=torch.float32))


def test_values_of_the_formats_are_those_in_dataset_files():
    assert [mode.value for mode in BoxMode] == [0, 1, 2, 3, 4]
    assert BoxMode(1) is BoxMode.XYWH_ABS


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_convert_keeps_type_and_argument(kind):
    box = kind([2.0, 3.0, 10.0, 20.0])
    corners = BoxMode.convert(box, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
    assert type(corners) is type(box)
    assert list(map(float, corners)) == [2, 3, 12, 23]
    assert list(map(float, box)) == [2, 3, 10, 20]
    back = BoxMode.convert(corners, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    assert list(map(float, back)) == [2, 3, 10, 20]


def test_convert_refuses_relative_boxes():
    with pytest.raises(ValueError, match="from XYXY_REL to XYXY_ABS"):
        BoxMode.convert([0, 0, 1, 1], BoxMode.XYXY_REL, BoxMode.XYXY_ABS)


def test_shape_is_checked_and_empty_input_gets_it():
    assert Boxes(torch.zeros(0)).tensor.shape == (0, 4)
    assert Boxes([]).tensor.dtype == torch.float32
    with pytest.raises(ValueError, match=r"shape \(N, 4\), got \(2, 5\)"):
        Boxes(torch.zeros(2, 5))


def test_area_centers_and_nonempty():
    some = boxes([0, 0, 4, 2], [1, 1, 1, 5])
    assert some.area().tolist() == [8, 0]
    assert some.get_centers().tolist() == [[2, 1], [1, 3]]
    assert some.nonempty().tolist() == [True, False]
    assert some.nonempty(threshold=2).tolist() == [False, False]


def test_clip_takes_height_first_and_replaces_the_tensor():
    some = boxes([-5, -5, 100, 100])
    before = some.tensor
    some.clip((20, 30))
    assert some.tensor.tolist() == [[0, 0, 30, 20]]
    assert before.tolist() == [[-5, -5, 100, 100]]


def test_clip_reports_diverged_boxes():
    with pytest.raises(ValueError, match="infinite or NaN"):
        boxes([0, 0, float("nan"), 1]).clip((5, 5))


def test_inside_box():
    some = boxes([0, 0, 9, 9], [-1, 0, 9, 9], [0, 0, 9, 11])
    assert some.inside_box((10, 10)).tolist() == [True, False, False]
    assert some.inside_box((10, 10), boundary_threshold=2).tolist() == [True, True, True]


def test_scale_and_clone():
    some = boxes([1, 2, 3, 4])
    copy = some.clone()
    some.scale(2.0, 10.0)
    assert some.tensor.tolist() == [[2, 20, 6, 40]]
    assert copy.tensor.tolist() == [[1, 2, 3, 4]]


def test_indexing_always_gives_boxes():
    some = boxes([0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3])
    assert some[1].tensor.tolist() == [[0, 0, 2, 2]]
    assert len(some[torch.tensor([True, False, True])]) == 2
    assert len(some[:0]) == 0
    assert torch.equal(Boxes.cat([some[:1], some[1:]]).tensor, some.tensor)
    assert len(Boxes.cat([])) == 0
    assert len(list(some)) == 3


def test_overlaps_by_hand():
    left, right = boxes([0, 0, 2, 2]), boxes([1, 1, 3, 3], [0, 0, 2, 1], [5, 5, 6, 6])
    assert pairwise_intersection(left, right).tolist() == [[1, 2, 0]]
    assert torch.allclose(pairwise_iou(left, right), torch.tensor([[1 / 7, 0.5, 0]]))
    assert torch.allclose(pairwise_ioa(left, right), torch.tensor([[0.25, 1.0, 0]]))


def test_overlaps_of_empty_boxes_are_zero_not_nan():
    point = boxes([1, 1, 1, 1])
    assert pairwise_iou(point, point).item() == 0
    assert pairwise_ioa(point, point).item() == 0


def test_rotated_boxes_have_a_box_around_them():
    rotated = BoxMode.convert([10.0, 20.0, 4.0, 2.0], BoxMode.XYWH_ABS, BoxMode.XYWHA_ABS)
    assert rotated == [12.0, 21.0, 4.0, 2.0, 0.0]
    around = np.array([[12.0, 21.0, 4.0, 2.0, 90.0]])
    around = BoxMode.convert(around, BoxMode.XYWHA_ABS, BoxMode.XYXY_ABS)
    assert around == pytest.approx(np.array([[11.0, 19.0, 13.0, 23.0]]))


def test_matched_iou_is_the_diagonal_of_all_pairs():
    torch.manual_seed(0)
    corners = torch.rand(2, 5, 2) * 10
    first, second = (Boxes(torch.cat((c, c + 5), dim=1)) for c in corners)
    expected = pairwise_iou(first, second).diagonal()
    torch.testing.assert_close(matched_pairwise_iou(first, second), expected)


def test_distances_of_points_to_the_sides():
    box = Boxes(torch.tensor([[0.0, 0.0, 10.0, 20.0]]))
    distances = pairwise_point_box_distance(torch.tensor([[3.0, 4.0]]), box)
    assert distances.tolist() == [[[3, 4, 7, 16]]]


@needs_stand_in
def test_diverged_boxes_on_a_device_become_nan_without_waiting():
    with StandInDevice() as device:
        some = Boxes(torch.tensor([[0, 0, float("inf"), 1], [1, 1, 9, 3]]).to(DEVICE))
        some.clip((5, 5))
        assert device.waits.total() == 0
        assert some.nonempty().tolist() == [False, True]
        assert some.tensor.isnan().any(dim=1).tolist() == [True, False]
