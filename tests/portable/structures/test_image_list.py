"""Batches of images of different sizes."""

import torch
from detectron2.structures import ImageList


def test_images_are_padded_at_the_bottom_and_right():
    batch = ImageList.from_tensors([torch.ones(3, 2, 4), torch.ones(3, 3, 1)], pad_value=7.0)
    assert batch.tensor.shape == (2, 3, 3, 4)
    assert batch.tensor[0, 0].tolist() == [[1] * 4, [1] * 4, [7] * 4]
    assert batch.image_sizes == [(2, 4), (3, 1)]
    assert torch.equal(batch[1], torch.ones(3, 3, 1))
    assert len(batch) == 2


def test_padded_size_is_a_multiple_of_the_divisibility():
    batch = ImageList.from_tensors([torch.zeros(1, 5, 9), torch.zeros(1, 8, 2)], 4)
    assert batch.tensor.shape[-2:] == (8, 12)


def test_constraints_of_a_backbone_replace_the_divisibility():
    images = [torch.zeros(1, 5, 9)]
    batch = ImageList.from_tensors(images, 2, padding_constraints={"square_size": 15})
    assert batch.tensor.shape[-2:] == (16, 16)
    batch = ImageList.from_tensors(images, 2, padding_constraints={"size_divisibility": 5})
    assert batch.tensor.shape[-2:] == (5, 10)


def test_batches_move_as_tensors_do():
    batch = ImageList.from_tensors([torch.zeros(1, 2, 3)]).to(torch.float64)
    assert batch.tensor.dtype == torch.float64
    assert batch.device == torch.device("cpu")
    assert batch.image_sizes == [(2, 3)]
