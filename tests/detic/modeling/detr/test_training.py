"""Steps of the optimizer on Deformable DETR."""

import copy
import io
from importlib.util import find_spec

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
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

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


@needs_stand_in
@pytest.mark.skipif(
    find_spec("detectron2.modeling._rows") is None,
    reason="Facebook's Detectron2 waits in places of its own",
)
@pytest.mark.parametrize(
    ("kind", "num_images", "overrides", "limit"),
    [("box", 1, [], 16), ("box", 4, [], 16), ("image", 4, NO_SAMPLING, 1)],
)
def test_a_step_waits_for_a_device_no_oftener_for_many_images(
    tiny_cfg, kind, num_images, overrides, limit
):
    """Once for the costs of all pairs, and five times for the sampled classes of each of 3 sets."""
    model = build_detector(tiny_cfg(*overrides)).train()
    with StandInDevice() as device:
        optimizer = torch.optim.SGD(model.to(DEVICE).parameters(), lr=1e-4)
        step = TrainingStep(model, optimizer, PrecisionParams(), accumulate=1, seed=0)
        device.waits.clear()
        device.uploads.clear()
        step(0, [make_batch(kind, 0, num_images)])
        waits = device.waits + device.uploads
    assert waits.total() <= limit, waits


def test_stages_nearer_to_the_images_learn_more_slowly(tiny_cfg):
    cfg = tiny_cfg("SOLVER.BASE_LR", "1.0", "SOLVER.BACKBONE_LAYER_DECAY", "0.5")
    rates = rates_by_name(cfg)
    stage1, stage4 = (
        rates[f"detr.backbone.0.backbone.base.layer{i}.0.conv1.weight"] for i in (1, 4)
    )
    assert stage1 == pytest.approx(stage4 / 8)
    assert rates["detr.input_proj.0.0.weight"] == 1.0


def rates_by_name(cfg):
    model = build_detector(cfg)
    names = {id(p): name for name, p in model.named_parameters()}
    groups = build_optimizer(cfg, model).param_groups
    assert len(groups) == len(names)  # each once
    return {names[id(g["params"][0])]: g["lr"] for g in groups}


def test_learning_rates_by_name(tiny_cfg):
    rates = rates_by_name(tiny_cfg("SOLVER.BASE_LR", "1.0"))
    attention = "detr.transformer.encoder.layers.0.self_attn"
    assert rates["detr.backbone.0.backbone.base.conv1.0.weight"] == pytest.approx(0.1)
    assert rates[f"{attention}.sampling_offsets.bias"] == pytest.approx(0.1)
    assert rates[f"{attention}.value_proj.weight"] == rates["detr.input_proj.0.0.weight"] == 1.0
