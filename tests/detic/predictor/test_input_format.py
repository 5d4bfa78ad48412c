import cv2
import numpy as np
import pytest
from detectron2.data import transforms as T

from detic.errors import InputError
from detic.predictor.input_format import InputFormat, load_image
from detic.recipes import load_recipe
from tests.tiny_detector import RECIPE, noise


def test_files_are_read_as_opencv_reads_them(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), noise())
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), noise())
    cv2.imwrite(str(tmp_path / "grey.png"), noise()[:, :, 0])
    assert load_image(str(tmp_path / "grey.png")).shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((4, 5), np.uint8), r"array \(4, 5\) of uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"array \(4, 5, 4\) of uint8"),
        (np.zeros((4, 5, 3)), r"array \(4, 5, 3\) of float64"),
        (np.zeros((0, 5, 3), np.uint8), r"array \(0, 5, 3\) of uint8"),
        (None, "not NoneType"),
    ],
)
def test_other_arrays_are_refused_with_what_is_expected(image, found):
    with pytest.raises(InputError, match=found) as error:
        load_image(image)
    assert "of uint8 in BGR order as cv2.imread gives it" in str(error.value)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no image '.*missing.jpg'"):
        load_image(tmp_path / "missing.jpg")
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(InputError, match=r"text.jpg' is not an image, or it is damaged"):
        load_image(tmp_path / "text.jpg")
    cv2.imwrite(str(tmp_path / "whole.png"), noise())
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot read the image '.*cut.png'"):
        load_image(tmp_path / "cut.png")


@pytest.mark.parametrize(("order", "first"), [("RGB", 2), ("BGR", 0)])
def test_model_input_has_the_channel_order_of_the_recipe(order, first):
    image = noise()
    model_input = InputFormat([], order).model_input(image)
    np.testing.assert_array_equal(model_input["image"][0].numpy(), image[:, :, first])
    assert (model_input["height"], model_input["width"]) == (60, 80)


def test_model_input_has_the_test_size_of_the_recipe():
    overrides = ["INPUT.MIN_SIZE_TEST", "32", "INPUT.MAX_SIZE_TEST", "100"]
    input_format = InputFormat.from_config(load_recipe(RECIPE, overrides))
    assert input_format.channel_order == "RGB"
    assert input_format.model_input(noise(64, 128))["image"].shape == (3, 32, 64)
    assert input_format.model_input(noise(20, 200))["image"].shape == (3, 10, 100)


def test_resizing_is_detectron2s():
    resize = T.ResizeShortestEdge([32, 32], 100)
    found = InputFormat([resize], "BGR").model_input(noise())["image"]
    expected = resize.get_transform(noise()).apply_image(noise())
    np.testing.assert_array_equal(found.numpy().transpose(1, 2, 0), expected)
