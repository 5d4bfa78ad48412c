import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.image_arrays import array_to_bgr, cut, tensor_to_bgr
from tests.tiny_detector import noise

BGR = noise()
RGB = np.ascontiguousarray(BGR[:, :, ::-1])
GREY = BGR[:, :, 0]


def test_an_image_of_opencv_is_taken_as_it_is():
    assert array_to_bgr(BGR) is not None
    assert np.shares_memory(array_to_bgr(BGR), BGR)


@pytest.mark.parametrize(
    ("array", "channels", "expected"),
    [
        (RGB, "RGB", BGR),
        (RGB, "rgb", BGR),
        (GREY, None, np.dstack([GREY] * 3)),
        (GREY[:, :, None], "RGB", np.dstack([GREY] * 3)),
        (np.dstack([BGR, GREY]), None, BGR),  # BGRA
        (np.dstack([RGB, GREY]), "RGB", BGR),  # RGBA
        (BGR / 255, None, BGR),
        ((BGR / 255).astype(np.float16), None, BGR),
        (np.zeros((2, 3, 3)), None, np.zeros((2, 3, 3))),
    ],
)
def test_arrays_of_the_usual_kinds_are_images(array, channels, expected):
    found = array_to_bgr(array, channels)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("tensor", "channels", "expected"),
    [
        (torch.from_numpy(RGB).permute(2, 0, 1), None, BGR),  # as torchvision reads images
        (torch.from_numpy(BGR).permute(2, 0, 1), "BGR", BGR),
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255, None, BGR),
        ((torch.from_numpy(RGB).permute(2, 0, 1) / 255).requires_grad_(), None, BGR),
        (torch.from_numpy(GREY.copy()), None, np.dstack([GREY] * 3)),
    ],
)
def test_tensors_have_their_channels_first_in_the_order_of_torchvision(tensor, channels, expected):
    np.testing.assert_array_equal(tensor_to_bgr(tensor, channels), expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), r"as cv2.imread gives it, not \(0, 5, 3\) of uint8"),
        (np.zeros((5, 6, 2), np.uint8), r"not \(5, 6, 2\) of uint8$"),
        (np.zeros((3, 4, 5), np.uint8), r"`array.transpose\(1, 2, 0\)` moves its channels"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"a batch as a list of its images, `list\(array\)`"),
        (np.zeros((4, 5, 3), np.int64), r"not \(4, 5, 3\) of int64; .* `.astype\(np.uint8\)`"),
        (np.zeros((4, 5, 3), np.uint16), r"of uint16; if its values are from 0 to 255"),
        (np.full((4, 5, 3), 255.0), "from 0 to 1, not from 255 to 255; convert"),
        (np.full((4, 5, 3), -0.5), "undo what was normalised"),
        (np.full((4, 5, 3), np.nan), "from 0 to 1, not from nan to nan"),
    ],
)
def test_other_arrays_are_refused_with_what_is_expected(array, message):
    with pytest.raises(InputError, match=message):
        array_to_bgr(array)


def test_other_tensors_and_orders_are_refused():
    with pytest.raises(InputError, match=r"tensor.permute\(2, 0, 1\)` moves its channels"):
        tensor_to_bgr(torch.zeros(6, 5, 3))
    with pytest.raises(InputError, match=r"a list of its images, `list\(tensor\)`"):
        tensor_to_bgr(torch.zeros(2, 3, 4, 5))
    with pytest.raises(InputError, match="unknown order of channels 'RBG'; choose BGR or RGB"):
        array_to_bgr(BGR, "RBG")


def test_a_cut_has_the_pixels_that_a_box_touches():
    np.testing.assert_array_equal(cut(BGR, (10.5, 20.0, 30.0, 40.2)), BGR[20:41, 10:30])
    np.testing.assert_array_equal(cut(BGR, (10, 20, 30, 40), margin=0.5), BGR[10:50, 0:40])
    assert cut(BGR, (80, 60, 80, 60)).shape == (1, 1, 3)  # an empty box at the border
