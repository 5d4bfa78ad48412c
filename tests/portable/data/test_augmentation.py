"""How augmentations are applied."""

import numpy as np
import pytest
from detectron2.data import transforms as T
from PIL import ImageOps


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


class LooksAtBoxes(T.Augmentation):
    def get_transform(self, image, boxes):
        self.seen = (image.shape, boxes.tolist())
        return T.HFlipTransform(image.shape[1])


def test_boxes_and_labels_are_transformed_with_the_image(image):
    labels = np.arange(40 * 60).reshape(40, 60)
    aug_input = T.AugInput(image, boxes=np.array([[0.0, 0.0, 10.0, 20.0]]), sem_seg=labels)
    augmentation = LooksAtBoxes()
    aug_input.apply_augmentations([augmentation])
    assert augmentation.seen == ((40, 60, 3), [[0, 0, 10, 20]])
    assert aug_input.boxes.tolist() == [[50, 0, 60, 20]]
    np.testing.assert_array_equal(aug_input.sem_seg, labels[:, ::-1])


def test_missing_inputs_are_named(image):
    class LooksAtDepth(T.Augmentation):
        input_args = ("image", "depth")

    with pytest.raises(AttributeError, match="LooksAtDepth needs depth, which the input has not"):
        LooksAtDepth()(T.AugInput(image))

    class TakesAnything(T.Augmentation):
        def get_transform(self, *args):
            return T.NoOpTransform()

    with pytest.raises(TypeError, match="has to name its arguments"):
        TakesAnything()(T.AugInput(image))


def test_images_go_in_and_out(image):
    flipped, tfms = T.apply_augmentations([T.HFlipTransform(60)], image)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    np.testing.assert_array_equal(tfms.inverse().apply_image(flipped), image)


def test_colours_leave_places_alone(image):
    invert = T.PILColorTransform(ImageOps.invert)
    np.testing.assert_array_equal(invert.apply_image(image), 255 - image)
    points = np.array([[1.0, 2.0]])
    assert invert.apply_coords(points) is points
    with pytest.raises(ValueError, match="expected a function of an image"):
        T.ColorTransform("invert")
