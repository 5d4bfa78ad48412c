"""A Deformable DETR that builds and runs in a fraction of a second."""

import pytest
import torch

from detic.modeling import build_detector

RECIPE = "Detic_DeformDETR_LI_R50_4x_ft4x"
TINY = [
    *("MODEL.BACKBONE.NAME", "build_timm_backbone", "MODEL.TIMM.BASE_NAME", "resnet10t_shapes"),
    *("MODEL.DETR.HIDDEN_DIM", "64", "MODEL.DETR.NHEADS", "4", "MODEL.DETR.DROPOUT", "0.0"),
    *("TEST.DETECTIONS_PER_IMAGE", "15"),
]
ONE_STAGE = ["MODEL.DETR.TWO_STAGE", "False"]
WITHOUT_REFINEMENT = [*ONE_STAGE, "MODEL.DETR.WITH_BOX_REFINE", "False"]
ZERO_SHOT = ["MODEL.DETR.USE_ZEROSHOT_CLS", "True"]
NO_SAMPLING = ["MODEL.DETR.USE_FED_LOSS", "False"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # images this small gain nothing from more
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_cfg(small_recipe):
    """A function from overrides to the configuration of a tiny model."""
    return lambda *overrides: small_recipe(RECIPE, *TINY, *overrides)


@pytest.fixture
def tiny_detr(tiny_cfg):
    """A function from overrides to a tiny model in evaluation mode, whose boxes differ."""

    def build(*overrides):
        torch.manual_seed(0)
        model = build_detector(tiny_cfg(*overrides))
        for head in model.detr.bbox_embed:
            torch.nn.init.normal_(head.layers[-1].weight, std=0.1)
        return model.eval()

    return build
