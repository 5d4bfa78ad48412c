import numpy as np
import pytest
from detectron2.data import transforms as T

from detic.predictor.input_format import InputFormat
from detic.recipes import load_recipe
from tests.tiny_detector import RECIPE, noise


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


@pytest.mark.parametrize(
    "overrides",
    [
        ["INPUT.MIN_SIZE_TEST", "32", "INPUT.MAX_SIZE_TEST", "100"],
        ["INPUT.MIN_SIZE_TEST", "0"],  # as it is
        ["INPUT.TEST_INPUT_TYPE", "square", "INPUT.TEST_SIZE", "48"],
    ],
)
def test_the_size_of_the_input_is_known_without_an_image(overrides):
    overrides = ["INPUT.CUSTOM_AUG", "EfficientDetResizeCrop", *overrides]
    input_format = InputFormat.from_config(load_recipe(RECIPE, overrides))
    for size_hw in ((64, 128), (31, 97), (300, 2), (1, 1)):
        expected = input_format.model_input(noise(*size_hw))["image"].shape[1:]
        assert input_format.size_hw(size_hw) == expected
    input_format.size_hw((10**6, 10**6))  # of which there can be no image


def test_resizing_is_detectron2s():
    resize = T.ResizeShortestEdge([32, 32], 100)
    found = InputFormat([resize], "BGR").model_input(noise())["image"]
    expected = resize.get_transform(noise()).apply_image(noise())
    np.testing.assert_array_equal(found.numpy().transpose(1, 2, 0), expected)
