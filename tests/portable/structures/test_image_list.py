"""Batches of images of different sizes."""

import pytest
import torch
from detectron2.structures import ImageList


def test_images_are_padded_at_the_bottom_and_right():
    batch = ImageList.from_tensors([torch.ones(3, 2, 4), torch.ones(3, 3, 1)], pad_value=7.0)
    assert batch.tensor.shape == (2, 3, 3, 4)
    assert batch.tensor[0, 0].tolist() == [[1] * 4, [1] * 4, [7] * 4]
    assert batch.image_sizes == [(2, 4), (3, 1)]
    assert torch.equal(batch[1], torch.ones(3, 3, 1))
    assert len(batch) == 2


@pytest.mark.parametrize(
    ("divisibility", "constraints", "padded_hw"),
    [
        (0, None, (5, 9)),
        (4, None, (8, 12)),
        (4, {}, (8, 12)),
        (4, {"size_divisibility": 8}, (8, 16)),  # the backbone's word wins
        (0, {"square_size": 20}, (20, 20)),
    ],
)
def test_padded_size(divisibility, constraints, padded_hw):
    batch = ImageList.from_tensors(
        [torch.zeros(1, 5, 9)], divisibility, padding_constraints=constraints
    )
    assert batch.tensor.shape[-2:] == padded_hw


def test_image_larger_than_the_square_is_reported():
    with pytest.raises(ValueError, match="5 x 9 pixels does not fit the fixed input size 8 x 8"):
        ImageList.from_tensors([torch.zeros(1, 5, 9)], padding_constraints={"square_size": 8})


def test_to_casts_and_moves():
    batch = ImageList.from_tensors([torch.zeros(1, 5, 9)]).to(torch.float64)
    assert batch.tensor.dtype == torch.float64
    assert batch.device.type == "cpu"
