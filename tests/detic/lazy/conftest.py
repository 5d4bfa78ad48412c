"""A Python recipe of a model with one weight, which learns in a moment."""

import pytest

RECIPE = """
import torch
from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from detectron2.solver.build import get_default_optimizer_params
from fvcore.common.param_scheduler import LinearParamScheduler
from tests.detic.lazy.toy import Counted, OneWeight, batches, drawn

model = L(OneWeight)(target=3.0)
dataloader = {
    "train": L(drawn)(count=4),
    "test": L(batches)(count=2),
    "evaluator": L(Counted)(),
}
optimizer = L(torch.optim.SGD)(
    params=L(get_default_optimizer_params)(base_lr="${..lr}"), lr=0.1
)
lr_multiplier = L(WarmupParamScheduler)(
    scheduler=L(LinearParamScheduler)(start_value=1.0, end_value=1.0), warmup_factor=1.0, warmup_length=0.0
)
train = {"device": "cpu", "max_iter": 4, "eval_period": 2, "seed": 0}
"""


@pytest.fixture
def recipe(tmp_path):
    """The path of the recipe."""
    path = tmp_path / "own.py"
    path.write_text(RECIPE)
    return path
