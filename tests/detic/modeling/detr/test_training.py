"""Steps of the optimizer on Deformable DETR."""

import copy
import io

import pytest
import torch

from detic.engine.ema import AveragedWeights
from detic.engine.optimizer import build_optimizer
from detic.engine.step import TrainingStep
from detic.engine.trainer import check_fit
from detic.modeling import build_detector
from detic.plan.optimization import PrecisionParams
from tests.detic.modeling.conftest import make_batch
from tests.detic.modeling.detr.conftest import NO_SAMPLING

BOXES, LABELS = make_batch("box", 0), make_batch("image", 1)


def new_step(cfg, accumulate=1):
    torch.manual_seed(0)
    model = build_detector(cfg).train()
    precision = PrecisionParams.from_config(cfg)
    return TrainingStep(model, build_optimizer(cfg, model), precision, accumulate, seed=0)


def saved(*states):
    """Return states as they come back from a file."""
    file = io.BytesIO()
    torch.save(states, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_resumed_training_repeats_the_same_numbers(tiny_cfg):
    cfg = tiny_cfg("MODEL.DETR.DROPOUT", "0.1")
    whole, resumed = new_step(cfg), new_step(cfg)
    whole(0, [BOXES])
    weights, moments = saved(whole.model.state_dict(), whole.optimizer.state_dict())
    check_fit(weights, resumed.model)
    resumed.model.load_state_dict(weights)
    resumed.optimizer.load_state_dict(moments)
    assert resumed(1, [LABELS]) == whole(1, [LABELS])
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight), name


def test_steps_on_one_batch_lower_its_loss(tiny_cfg):
    step = new_step(tiny_cfg(*NO_SAMPLING, "SOLVER.BASE_LR", "0.001"))
    losses = [step(i, [BOXES]) for i in range(8)]
    assert losses[-1]["loss_ce"] + losses[-1]["loss_bbox"] < 0.8 * (
        losses[0]["loss_ce"] + losses[0]["loss_bbox"]
    )


def test_accumulated_batches_equal_the_mean_over_processes(tiny_cfg):
    """Two processes have batches of 10 and of 5 objects, and divide losses by 7.5."""
    cfg = tiny_cfg(*NO_SAMPLING)
    few = copy.deepcopy(BOXES)
    few[0]["instances"] = few[0]["instances"][:0]
    step = new_step(cfg, accumulate=2)
    together = step(0, [BOXES, few])
    model = new_step(cfg).model
    alone = [model(batch, torch.tensor([7.5]))["loss_ce"].item() for batch in (BOXES, few)]
    assert together["loss_ce"] == pytest.approx(sum(alone) / 2, rel=1e-5)


def test_mixed_precision_steps_are_finite(tiny_cfg):
    step = new_step(tiny_cfg("SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", "bfloat16"))
    for iteration, batch in enumerate((BOXES, LABELS)):
        step(iteration, [batch])
    assert all(torch.isfinite(p).all() for p in step.model.parameters())


def test_averaged_weights_keep_both_names_of_a_head_equal(tiny_cfg):
    step = new_step(tiny_cfg())
    averaged = AveragedWeights(step.model, decay=0.5)
    step(0, [BOXES])
    averaged.update(step.model)
    average = averaged.state_dict()
    twin = average["detr.transformer.decoder.bbox_embed.0.layers.2.bias"]
    assert torch.equal(average["detr.bbox_embed.0.layers.2.bias"], twin)


def test_learning_rates_by_name(tiny_cfg):
    cfg = tiny_cfg("SOLVER.BASE_LR", "1.0")
    model = build_detector(cfg)
    names = {id(p): name for name, p in model.named_parameters()}
    rates = {names[id(g["params"][0])]: g["lr"] for g in build_optimizer(cfg, model).param_groups}
    attention = "detr.transformer.encoder.layers.0.self_attn"
    assert rates["detr.backbone.0.backbone.base.conv1.0.weight"] == pytest.approx(0.1)
    assert rates[f"{attention}.sampling_offsets.bias"] == pytest.approx(0.1)
    assert rates[f"{attention}.value_proj.weight"] == rates["detr.input_proj.0.0.weight"] == 1.0
    assert len(rates) == len(names)  # each once
