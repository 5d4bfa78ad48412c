import pytest
import torch

from detic.errors import InputError
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.recipes import load_recipe
from tests.tiny_detector import ROOT

CPU = torch.device("cpu")
PARAMS = DetectionParams(score_threshold=0.3, one_class_per_proposal=True)


def recipe(name):
    return load_recipe(ROOT / "configs" / f"{name}.yaml")


def test_training_needs_are_dropped_and_the_recipe_stays_as_it_is():
    cfg = recipe("Detic_LbaseCCcapimg_CLIP_R5021k_640b64_4x_ft4x_max-size")
    assert cfg.MODEL.WITH_CAPTION
    changed = inference_config(cfg, PARAMS, CPU)
    assert not changed.MODEL.WITH_CAPTION
    assert not changed.MODEL.ROI_BOX_HEAD.USE_FED_LOSS
    assert changed.MODEL.ROI_HEADS.SCORE_THRESH_TEST == 0.3
    assert cfg.MODEL.WITH_CAPTION


@pytest.mark.parametrize("name", ["Base-C2_L_R5021k_640b64_4x", "BoxSup-DeformDETR_L_R50_4x"])
def test_models_of_a_closed_vocabulary_are_refused(name):
    with pytest.raises(InputError, match="choose a recipe with CLIP in its name"):
        inference_config(recipe(name), PARAMS, CPU)


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_score_thresholds_are_fractions(threshold):
    with pytest.raises(InputError, match="choose a number from 0 to 1"):
        DetectionParams(threshold, one_class_per_proposal=True)
