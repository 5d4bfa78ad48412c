"""Learning rates over a training."""

import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.solver import (
    LRMultiplier,
    WarmupCosineLR,
    WarmupMultiStepLR,
    WarmupParamScheduler,
    build_lr_scheduler,
)
from fvcore.common.param_scheduler import ConstantParamScheduler
from torch import nn


def rates(**solver):
    """Return the learning rates of a training, and the one set after its last iteration."""
    cfg = get_cfg()
    cfg.SOLVER.update({"BASE_LR": 2.0, "MAX_ITER": 20, "WARMUP_ITERS": 4, "WARMUP_FACTOR": 0.5})
    cfg.SOLVER.update(solver)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.SOLVER.BASE_LR)
    scheduler = build_lr_scheduler(cfg, optimizer)
    seen = []
    for _ in range(cfg.SOLVER.MAX_ITER):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen, optimizer.param_groups[0]["lr"]


def test_multi_step_with_linear_warmup():
    seen, _ = rates(STEPS=(10, 15))
    assert seen[:5] == pytest.approx([1.0, 1.25, 1.5, 1.75, 2.0])
    assert seen[9:16] == pytest.approx([2.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.02])


def test_constant_warmup():
    assert rates(WARMUP_METHOD="constant", STEPS=())[0][:5] == pytest.approx([1, 1, 1, 1, 2])


def test_cosine_runs_over_the_whole_training_and_the_warmup_meets_it():
    seen, last = rates(LR_SCHEDULER_NAME="WarmupCosineLR")
    whole = [1 + math.cos(math.pi * i / 20) for i in range(20)]
    assert seen[4:] == pytest.approx(whole[4:])
    assert seen[2] == pytest.approx((1.0 + whole[4]) / 2)
    assert last == pytest.approx(0.0, abs=1e-9)


def test_cosine_ends_at_base_lr_end():
    seen, last = rates(LR_SCHEDULER_NAME="WarmupCosineLR", BASE_LR_END=0.5)
    assert seen[10] == pytest.approx(1.25)  # half way between 2.0 and 0.5
    assert last == pytest.approx(0.5)


def test_rescaled_interval_starts_the_cosine_after_the_warmup():
    seen, last = rates(LR_SCHEDULER_NAME="WarmupCosineLR", RESCALE_INTERVAL=True)
    assert seen[4] == pytest.approx(2.0)
    assert seen[12] == pytest.approx(1.0)
    assert last == pytest.approx(0.0, abs=1e-9)


def test_no_warmup_and_only_warmup():
    assert rates(WARMUP_ITERS=0, STEPS=())[0] == [2.0] * 20
    assert rates(WARMUP_ITERS=40, STEPS=())[0][10] == pytest.approx(1.5)


def test_steps_after_the_end_are_reported(caplog):
    assert rates(STEPS=(10, 20), WARMUP_ITERS=0)[0][-1] == pytest.approx(0.2)
    assert "from MAX_ITER 20 on have no effect" in caplog.text


def test_state_dict_resumes_the_schedule():
    def scheduler():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = WarmupParamScheduler(ConstantParamScheduler(1.0), 0.0, 0.5)
        multiplier = LRMultiplier(optimizer, schedule, max_iter=10)
        optimizer.step()
        return optimizer, multiplier

    _, first = scheduler()
    first.step()
    state = first.state_dict()
    assert state == {"base_lrs": [1.0], "last_epoch": 1}
    optimizer, second = scheduler()
    second.load_state_dict(state)
    second.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)


def test_user_errors_are_named():
    with pytest.raises(ValueError, match="LR_SCHEDULER_NAME 'Cosine'; choose WarmupMulti"):
        rates(LR_SCHEDULER_NAME="Cosine")
    with pytest.raises(ValueError, match="warm-up method 'slow'; choose linear or constant"):
        rates(WARMUP_METHOD="slow")


def rates_of(make, iterations):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(iterations):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_steps_of_the_earlier_schedule():
    warmup = {"warmup_factor": 0.5, "warmup_iters": 2}
    seen = rates_of(lambda o: WarmupMultiStepLR(o, [3, 5], gamma=0.1, **warmup), 6)
    assert seen == pytest.approx([1.0, 1.5, 2.0, 0.2, 0.2, 0.02])
    seen = rates_of(lambda o: WarmupMultiStepLR(o, [], warmup_method="constant", **warmup), 3)
    assert seen == pytest.approx([1.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"milestones must rise, got \[5, 3\]"):
        rates_of(lambda o: WarmupMultiStepLR(o, [5, 3]), 1)


def test_cosine_of_the_earlier_schedule():
    seen = rates_of(lambda o: WarmupCosineLR(o, 4, warmup_factor=0.5, warmup_iters=1), 4)
    assert seen == pytest.approx(
        [1.0, 1 + math.cos(math.pi / 4), 1.0, 1 + math.cos(3 * math.pi / 4)]
    )
