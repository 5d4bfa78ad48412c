"""A detector on the embeddings of another text encoder than CLIP's."""

import pytest
import torch
from detectron2.utils.events import EventStorage

from detic.engine.optimizer import build_optimizer
from detic.errors import InputError
from detic.modeling import build_detector
from detic.recipes import load_recipe
from detic.vocabulary.text_encoder import load_text_encoder
from tests.detic.modeling.conftest import CONFIGS, make_batch
from tests.detic.vocabulary.open_clip_models import write_model

NAMES = [f"thing {i}" for i in range(12)]
WIDTH = 40  # of the family below


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    source = write_model(tmp_path / "mobileclip", "mobileclip")
    (tmp_path / "names.txt").write_text("\n".join(NAMES))

    def load(width):
        overrides = {
            "MODEL.WEIGHTS": "",
            "MODEL.ROI_HEADS.NUM_CLASSES": len(NAMES),
            "MODEL.ROI_BOX_HEAD.USE_FED_LOSS": False,
            "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH": tmp_path / "names.txt",
            "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM": width,
            "MODEL.TEXT_ENCODER.WEIGHTS": source,
            "MODEL.TEXT_ENCODER.PROMPT": "photo",
        }
        pairs = [str(text) for pair in overrides.items() for text in pair]
        return load_recipe(CONFIGS / "shapes" / "BoxSup.yaml", pairs)

    return load


def test_a_shapes_detector_learns_on_embeddings_of_another_width(recipe):
    cfg = recipe(WIDTH)
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    encoder = load_text_encoder(cfg.MODEL.TEXT_ENCODER.WEIGHTS)
    with torch.no_grad():
        features = encoder([f"a photo of a {name}" for name in NAMES])
    directions = torch.nn.functional.normalize(features, dim=1)
    weight = model.state_dict()["roi_heads.box_predictor.0.cls_score.zs_weight"]
    torch.testing.assert_close(weight, torch.cat([directions.T, torch.zeros(WIDTH, 1)], dim=1))

    optimizer = build_optimizer(cfg, model)
    losses = []
    for _ in range(6):
        with EventStorage():
            found = model(make_batch("box", 0))
        losses.append(found["loss_cls_stage0"].item())
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_another_width_than_the_encoders_is_refused(recipe):
    with pytest.raises(InputError, match=r"makes 40-wide embeddings.*classifier is 64 wide"):
        build_detector(recipe(64))
