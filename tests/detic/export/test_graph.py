"""A graph finds what the detector finds, before it is exported."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.layers import paste_masks_in_image

from detic.errors import InputError
from detic.export.exporter import build_graph
from detic.export.program import as_in_a_graph
from detic.paths import resource

THRESHOLD = 0.02


@pytest.fixture(scope="module")
def detectors(shapes_detector):
    return {one: shapes_detector(one_class_per_proposal=one) for one in (True, False)}


@pytest.fixture(scope="module")
def scene():
    return cv2.imread(str(resource("docs/pictures/scene.png")))


def run(detector, image_bgr, thresholds=THRESHOLD, masks=True):
    """What the graph finds in an image that is not resized."""
    image = torch.from_numpy(image_bgr[:, :, ::-1].copy())
    embeddings = detector.vocabulary.embeddings.float()
    thresholds = torch.full((len(embeddings),), thresholds)
    graph = build_graph(detector.model, masks)
    with torch.no_grad(), as_in_a_graph():
        return graph(image, embeddings, thresholds)


@pytest.mark.parametrize("one_class", [True, False])
def test_it_finds_what_the_detector_finds(detectors, scene, one_class):
    expected = detectors[one_class](scene, features=True)
    found = run(detectors[one_class], scene)
    assert len(expected) > 10
    np.testing.assert_array_equal(found["classes"], expected.labels)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-5)
    np.testing.assert_allclose(found["boxes"], expected.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(found["region_embeddings"], expected.region_embeddings, atol=1e-5)
    masks = paste_masks_in_image(found["masks"], found["boxes"], scene.shape[:2])
    assert (masks.numpy() != expected.masks).mean() < 1e-5


def test_several_classes_of_a_box_are_found(detectors, scene):
    boxes = run(detectors[False], scene)["boxes"]
    assert len(boxes) > len(run(detectors[True], scene)["boxes"])


@pytest.mark.parametrize("one_class", [True, False])
def test_nothing_above_the_thresholds_gives_empty_outputs(detectors, scene, one_class):
    found = run(detectors[one_class], scene, thresholds=1.0)
    shapes = {name: tuple(x.shape) for name, x in found.items()}
    assert shapes == {
        "boxes": (0, 4),
        "scores": (0,),
        "classes": (0,),
        "region_embeddings": (0, 64),
        "masks": (0, 28, 28),
    }


def test_a_small_image_is_padded(detectors, scene):
    found = run(detectors[True], scene[20:53, 40:87])
    assert (found["boxes"].amax(dim=0)[2:] <= torch.tensor([47, 33])).all()


def test_masks_can_be_left_out(detectors, scene):
    assert "masks" not in run(detectors[True], scene, masks=False)


def test_other_models_are_refused():
    with pytest.raises(InputError, match="Linear cannot be exported; choose a recipe with"):
        build_graph(torch.nn.Linear(1, 1), masks=False)
