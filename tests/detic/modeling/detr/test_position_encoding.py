import math

import torch

from detic.modeling.detr.position_encoding import PositionEncoding, encode_boxes, sinusoids


def test_sinusoids_by_hand():
    expected = [math.sin(2.0), math.cos(2.0), math.sin(2.0 / 100), math.cos(2.0 / 100)]
    torch.testing.assert_close(sinusoids(torch.tensor(2.0), 4), torch.tensor(expected))


def test_positions_are_relative_to_the_image_and_not_to_the_padding():
    padding = torch.zeros(2, 4, 4, dtype=torch.bool)
    padding[1, :, 2:] = True  # the second image is half as wide
    whole, half = PositionEncoding(8)(padding).view(2, 4, 4, 8)
    vertical, horizontal = slice(0, 4), slice(4, 8)
    torch.testing.assert_close(whole[:, :2, vertical], half[:, :2, vertical])
    # Its two columns lie where those of the whole image meet.
    first, second = (torch.tensor((i - 0.5) / 2 * 2 * math.pi) for i in (1, 2))
    torch.testing.assert_close(half[0, 0, horizontal], sinusoids(first, 4))
    torch.testing.assert_close(half[3, 1, horizontal], sinusoids(second, 4))


def test_boxes_are_encoded_number_by_number():
    box = torch.tensor([0.1, 0.2, 0.3, 0.4])
    encoded = encode_boxes(box, 8)
    assert encoded.shape == (16,)
    torch.testing.assert_close(encoded[4:8], sinusoids(box[1] * 2 * math.pi, 4))
