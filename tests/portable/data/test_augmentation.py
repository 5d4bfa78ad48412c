"""How augmentations are applied."""

import numpy as np
import pytest
from detectron2.data import transforms as T

from .helpers import seeded, uniform


def test_an_input_is_transformed_with_its_labels(image):
    boxes = np.array([[0.0, 0, 10, 20]])
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[:, 0] = 1
    inputs = T.AugInput(image, boxes=boxes, sem_seg=labels)
    tfms = inputs.apply_augmentations([T.RandomFlip(prob=1.0), T.Resize(80)])
    assert isinstance(tfms, T.TransformList)
    assert inputs.image.shape == (80, 80, 3)
    np.testing.assert_allclose(inputs.boxes, [[50 * 80 / 60, 0, 80, 40]])
    assert inputs.sem_seg[:, -1].all()
    assert not inputs.sem_seg[:, 0].any()
    np.testing.assert_allclose(tfms.apply_coords(np.array([[0.0, 40.0]])), [[80, 80]])


def test_later_augmentations_see_what_earlier_ones_made(image):
    array, tfms = T.apply_augmentations([T.Resize((10, 20)), [T.Resize((5, 5))]], image)
    assert array.shape == (5, 5, 3)
    assert [(t.h, t.w) for t in tfms.transforms] == [(40, 60), (10, 20)]
    inputs = T.AugInput(image)
    assert T.apply_augmentations([T.NoOpTransform()], inputs)[0] is inputs


def test_augmentations_get_the_attributes_that_they_name(image):
    class CropToBoxes(T.Augmentation):
        def get_transform(self, image, boxes):
            x0, y0, x1, y1 = boxes[0].astype(int)
            return T.CropTransform(x0, y0, x1 - x0, y1 - y0)

    inputs = T.AugInput(image, boxes=np.array([[1.0, 2, 11, 7]]))
    CropToBoxes()(inputs)
    np.testing.assert_array_equal(inputs.image, image[2:7, 1:11])
    with pytest.raises(AttributeError, match="asks for image, boxes, but the input has no boxes"):
        CropToBoxes()(T.AugInput(image))


def test_misuse_of_the_machinery_is_explained(image):
    class Wrong(T.Augmentation):
        def get_transform(self, image):
            return image

    with pytest.raises(
        TypeError, match=r"Wrong.get_transform must return a Transform, got ndarray"
    ):
        Wrong()(T.AugInput(image))
    with pytest.raises(NotImplementedError, match="Augmentation defines no get_transform"):
        T.Augmentation().get_transform()
    with pytest.raises(TypeError, match="expected an Augmentation, a Transform or a list, got str"):
        T.AugmentationList(["flip"])
    with pytest.raises(TypeError, match="needs a numpy image, got list"):
        T.AugInput([1])
    with pytest.raises(ValueError, match=r"\(H, W\) or \(H, W, C\), got shape \(3,\)"):
        T.AugInput(np.zeros(3))
    with pytest.raises(TypeError, match="uint8 or floating point, got int64"):
        T.AugInput(np.zeros((3, 3), dtype=np.int64))


def test_augmentations_show_their_arguments():
    assert repr(T.AugmentationList([T.RandomFlip(0.25)])) == (
        "AugmentationList[RandomFlip(prob=0.25, horizontal=True, vertical=False)]"
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_apply_applies_with_its_probability(image, seed):
    applied = isinstance(
        seeded(seed, T.RandomApply(T.Resize(5), prob=0.6), image), T.ResizeTransform
    )
    assert applied == (uniform(seed) < 0.6)
    np.random.seed(seed)
    inputs = T.AugInput(image)
    T.RandomApply([T.Resize(5)], prob=0.6)(inputs)
    assert (inputs.image.shape[0] == 5) == applied


def test_random_apply_checks_its_probability():
    for prob in (0.0, 1.0):
        T.RandomApply(T.NoOpTransform(), prob=prob)
    with pytest.raises(ValueError, match=r"prob must be in \[0, 1\], got 1.5"):
        T.RandomApply(T.NoOpTransform(), prob=1.5)
