"""The plan of an evaluation, settled before anything is built."""

import pytest

from detic.errors import InputError
from detic.plan import EvaluationPlan
from detic.plan.weights import InitialWeights
from detic.recipes import default_config


def test_own_data_ask_for_the_file_of_class_names_that_is_missing(tmp_path):
    cfg = default_config()
    cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = "gone.safetensors"
    (tmp_path / "boxes.json").write_text('{"images": [], "annotations": [], "categories": []}')
    source = {"name": "plan_boxes", "images": str(tmp_path)}
    cfg.DATALOADER.BOX_SOURCES = [source | {"annotations": str(tmp_path / "boxes.json")}]
    cfg.MODEL.WEIGHTS = "detector.pth"
    with pytest.raises(InputError, match=r"no class embeddings at gone\.safetensors"):
        EvaluationPlan.of_weights(cfg, InitialWeights.from_config(cfg))
