"""Models on an accelerator: nothing mixes devices, and the host seldom waits."""

import pytest
import torch
from detectron2.utils.events import EventStorage

from detic.engine.optimizer import build_optimizer
from detic.engine.step import TrainingStep
from detic.modeling import build_detector
from detic.plan.optimization import PrecisionParams
from tests.detic.modeling.conftest import CONFIGS, make_batch
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

pytestmark = [needs_stand_in, pytest.mark.usefixtures("tiny_text_encoder")]

RECIPES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
USUAL = [
    "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size",
    "Detic_LCOCOI21k_CLIP_CXT21k_640b32_4x_ft4x_max-size",
    "Detic_OVCOCO_CLIP_R50_1x_max-size",
    "Detic_DeformDETR_LI_R50_4x_ft4x",
]


def every_recipe_but_usual_ones_slow():
    return [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in RECIPES]


@pytest.mark.parametrize("name", every_recipe_but_usual_ones_slow())
def test_training_and_inference_stay_on_one_device(small_recipe, name):
    cfg = small_recipe(name, *(["MODEL.SWIN.SIZE", "T"] if "SwinB" in name else []))
    torch.manual_seed(0)
    model = build_detector(cfg)
    kinds = cfg.DATALOADER.DATASET_ANN if len(cfg.DATASETS.TRAIN) > 1 else ["box"]
    with StandInDevice(), EventStorage():
        model.to(DEVICE).train()
        step = TrainingStep(
            model, build_optimizer(cfg, model), PrecisionParams(), accumulate=1, seed=0
        )
        for source, kind in enumerate(kinds):
            step(source, [make_batch(kind, source)])
        detections = model.eval().inference(make_batch("box", 0))
    assert all(p.device == DEVICE for p in model.parameters())
    assert [d["instances"].scores.device for d in detections] == [DEVICE, DEVICE]
