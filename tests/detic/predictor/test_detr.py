"""Deformable DETR with text embeddings, asked for any classes."""

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model

from detic.predictor import Detector
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.recipes import load_recipe
from tests.tiny_detector import EMBEDDING_DIM, ROOT, noise

RECIPE = ROOT / "configs" / "shapes" / "DETR.yaml"
OVERRIDES = [
    *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", str(EMBEDDING_DIM)),
    *("INPUT.MIN_SIZE_TEST", "64", "MODEL.DETR.DEC_LAYERS", "2"),
    *("MODEL.ROI_BOX_HEAD.NORM_TEMP", "5.0"),  # scores stay below 1, so no two are equal
]


@pytest.fixture(scope="module")
def detr(tiny_files, tmp_path_factory):
    """A function from a vocabulary to a detector of random weights."""
    weights = tmp_path_factory.mktemp("detr") / "detr.pth"
    torch.manual_seed(0)
    params = DetectionParams(score_threshold=0.0, one_class_per_proposal=True)
    cfg = inference_config(load_recipe(RECIPE, OVERRIDES), params, torch.device("cpu"))
    model = build_model(cfg)
    for head in model.detr.bbox_embed:
        torch.nn.init.normal_(head.layers[-1].weight, std=0.3)
    torch.save({"model": model.state_dict()}, weights)

    def build(vocabulary, **options):
        options = {"device": "cpu", "score_threshold": 0.0, "overrides": OVERRIDES} | options
        return Detector.from_config(
            RECIPE, weights, vocabulary, text_weights=tiny_files.text_weights, **options
        )

    return build


def test_any_vocabulary_is_looked_for(detr):
    detector = detr(["cat", "dog"])
    assert set(detector(noise()).names) == {"cat", "dog"}
    detector.set_vocabulary(["zebra"])
    found = detector(noise())
    assert set(found.names) == {"zebra"}
    assert found.masks is None


def test_an_object_is_reported_once(detr):
    found = detr(["cat", "dog", "zebra"])(noise())
    assert len(found) == 30  # queries


def test_boxes_end_at_the_border(detr):
    boxes = detr(["cat"])(noise(60, 80)).boxes_xyxy
    assert boxes.min() == 0
    assert (boxes <= [80, 60, 80, 60]).all()


def test_images_give_together_what_they_give_alone(detr):
    detector = detr(["cat"])
    images = [noise(60, 80), noise(90, 50, seed=1), noise(60, 80, seed=2)]
    together = detector(images)
    assert [found.image_size_hw for found in together] == [(60, 80), (90, 50), (60, 80)]
    for found, image in zip(together, images, strict=True):
        alone = detector(image)
        np.testing.assert_allclose(found.boxes_xyxy, alone.boxes_xyxy, atol=1e-3)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


def test_features_and_scores_of_all_classes(detr):
    found = detr(["cat", "dog"])(noise(), features=True, all_scores=True)
    assert found.region_embeddings.shape == (len(found), EMBEDDING_DIM)
    assert found.class_scores.shape == (len(found), 2)
