"""ResizeTransform."""

import numpy as np
import pytest
from detectron2.data import transforms as T
from PIL import Image


def test_uint8_images_are_resized_as_pil_does(image):
    resized = T.ResizeTransform(40, 60, 15, 21).apply_image(image)
    expected = Image.fromarray(image).resize((21, 15), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized, np.asarray(expected))


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_resizing_keeps_type_and_dimensions(dtype, shape):
    resized = T.ResizeTransform(4, 6, 8, 12).apply_segmentation(np.ones(shape, dtype=dtype))
    assert resized.dtype == dtype
    assert resized.shape == (8, 12, *shape[2:])
    assert (resized == 1).all()


def test_float_images_are_interpolated_also_from_a_flipped_view():
    ramp = np.array([[0.0, 4.0]])
    double = T.ResizeTransform(1, 2, 1, 4)
    np.testing.assert_allclose(double.apply_image(ramp), [[0, 1, 3, 4]])
    np.testing.assert_allclose(double.apply_image(ramp[:, ::-1]), [[4, 3, 1, 0]])


def test_labels_are_not_mixed():
    labels = np.array([[0, 9]], dtype=np.uint8)
    assert set(T.ResizeTransform(1, 2, 5, 7).apply_segmentation(labels).ravel()) == {0, 9}


def test_coordinates_scale_and_come_back():
    resize = T.ResizeTransform(10, 20, 5, 40)
    coords = np.array([[20.0, 10.0], [1.0, 4.0]])
    np.testing.assert_allclose(resize.apply_coords(coords.copy()), [[40, 5], [2, 2]])
    np.testing.assert_allclose(
        resize.inverse().apply_coords(resize.apply_coords(coords.copy())), coords
    )
    np.testing.assert_allclose(resize.apply_box(np.array([[1.0, 2, 3, 4]])), [[2, 1, 6, 2]])
