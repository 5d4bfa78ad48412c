import cv2
import numpy as np
import torch

from detic.export.reference import detect, look_through, pasted, typical_classes
from detic.paths import resource


def test_masks_are_pasted_into_the_window_of_their_box():
    box = np.float32([0, 2, 4, 6])  # with its surroundings: rows 1 to 6, columns 0 to 4
    expected = np.pad(np.ones((4, 4), bool), ((1, 1), (0, 1)))
    mask = np.ones((28, 28), np.float32)
    np.testing.assert_array_equal(pasted(mask, box, (6, 5)), expected)


def test_masks_are_cut_out_of_images(shapes_detector):
    scene = torch.from_numpy(cv2.imread(str(resource("docs/pictures/scene.png"))))
    model = shapes_detector().model
    classes = typical_classes(model, scene, 64)
    whole = detect(model, scene, classes, torch.zeros(len(classes)), masks=True).pred_masks
    (found,) = look_through(model, [scene], classes).found
    assert whole.any()
    assert [mask.sum() for mask in found["masks"]] == whole.sum(dim=(1, 2)).tolist()
    assert not look_through(model, [scene], classes, masks=False).has_masks


def test_typical_classes_tell_regions_apart(shapes_detector):
    scene = cv2.imread(str(resource("docs/pictures/scene.png")))
    model, image = shapes_detector().model, torch.from_numpy(scene)
    classes = typical_classes(model, image, 64)
    scores = detect(model, image, classes, torch.zeros(len(classes))).scores
    assert len(scores.unique()) == len(scores)
    assert scores.max() < 0.9
