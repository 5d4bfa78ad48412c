import pytest
import torch

from detic.modeling.detr.boxes import (
    cxcywh_to_xyxy,
    generalized_iou,
    inverse_sigmoid,
    xyxy_to_cxcywh,
)


def test_corners_and_centres_are_the_same_box():
    centre = torch.tensor([[0.5, 0.4, 0.2, 0.6]])
    corners = torch.tensor([[0.4, 0.1, 0.6, 0.7]])
    torch.testing.assert_close(cxcywh_to_xyxy(centre), corners)
    torch.testing.assert_close(xyxy_to_cxcywh(corners), centre)


def test_inverse_sigmoid_inverts_and_is_finite_at_the_ends():
    x = torch.tensor([0.01, 0.3, 0.99])
    torch.testing.assert_close(inverse_sigmoid(x).sigmoid(), x)
    largest = torch.tensor(1e5).log()
    torch.testing.assert_close(
        inverse_sigmoid(torch.tensor([-1.0, 0.0, 1.0, 2.0])),
        torch.stack([-largest, -largest, largest, largest]),
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0.0, 0.0, 2.0, 2.0], 1.0),  # the same box
        ([0.0, 0.0, 2.0, 1.0], 0.5),  # a half of it
        ([2.0, 0.0, 4.0, 2.0], 0.0),  # a neighbour: no gap between them
        ([4.0, 0.0, 6.0, 2.0], -1 / 3),  # a third of the enclosing box is neither
    ],
)
def test_generalized_iou_by_hand(other, expected):
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    torch.testing.assert_close(generalized_iou(box, torch.tensor(other)), torch.tensor(expected))
