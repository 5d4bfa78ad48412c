"""How augmentations are applied."""

import numpy as np
import pytest
from detectron2.data import transforms as T


def shrink(height, width):
    return T.ResizeTransform(40, 60, height, width)


def test_later_augmentations_see_what_earlier_ones_made(image):
    inputs = T.AugInput(image)
    tfms = T.AugmentationList([shrink(20, 30), [T.ResizeShortestEdge(10)]])(inputs)
    assert isinstance(tfms, T.TransformList)
    assert inputs.image.shape == (10, 15, 3)
    assert [(t.h, t.w) for t in tfms.transforms] == [(40, 60), (20, 30)]
    np.testing.assert_allclose(tfms.apply_coords(np.array([[60.0, 40.0]])), [[15, 10]])


def test_an_augmentation_must_define_its_transform(image):
    with pytest.raises(NotImplementedError, match="Augmentation defines no get_transform"):
        T.Augmentation().get_transform(image)
