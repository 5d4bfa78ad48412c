"""Optimizers, gradient clipping and schedules from a configuration."""

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.lr_scheduler import LRMultiplier, LRScheduler, WarmupParamScheduler
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler
from torch import nn

logger = logging.getLogger(__name__)

_NORM_MODULES = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)


class GradientClipType(Enum):
    """What SOLVER.CLIP_GRADIENTS.CLIP_TYPE bounds."""

    VALUE = "value"  # every element
    NORM = "norm"  # the norm of each parameter's gradient by itself


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Return stochastic gradient descent over the trainable parameters, as `cfg.SOLVER` says."""
    solver = cfg.SOLVER
    params = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    )
    return maybe_add_gradient_clipping(cfg, torch.optim.SGD)(
        params,
        lr=solver.BASE_LR,
        momentum=solver.MOMENTUM,
        nesterov=solver.NESTEROV,
        weight_decay=solver.WEIGHT_DECAY,
    )


def get_default_optimizer_params(
    model: nn.Module,
    base_lr: float | None = None,
    weight_decay: float | None = None,
    weight_decay_norm: float | None = None,
    bias_lr_factor: float = 1.0,
    weight_decay_bias: float | None = None,
    lr_factor_func: Callable[[str], float] | None = None,
    overrides: dict[str, dict[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """Return parameter groups for an optimizer; parameters with the same settings share one.

    What is None is left to the optimizer's own defaults.

    Args:
        model: its parameters that require gradients are taken, each once.
        base_lr: learning rate; needed for `bias_lr_factor`, which multiplies that of biases.
        weight_decay: of everything that has none of its own.
        weight_decay_norm: of the parameters of normalisation layers.
        weight_decay_bias: of biases, those of normalisation layers included.
        lr_factor_func: full name of a parameter -> factor of its learning rate.
        overrides: settings by the last part of the parameter's name, as
            {"embedding": {"lr": 0.01, "weight_decay": 0.1}}; they win over all others.
    """
    bias = {
        "lr": base_lr * bias_lr_factor if bias_lr_factor != 1.0 else None,
        "weight_decay": weight_decay_bias,
    }
    overrides = {"bias": _without_none(bias), **(overrides or {})}
    if lr_factor_func is not None and base_lr is None:
        raise ValueError("lr_factor_func multiplies base_lr, which is missing")
    params: list[dict[str, Any]] = []
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            settings = _without_none({"lr": base_lr, "weight_decay": weight_decay})
            if isinstance(module, _NORM_MODULES) and weight_decay_norm is not None:
                settings["weight_decay"] = weight_decay_norm
            if lr_factor_func is not None:
                settings["lr"] *= lr_factor_func(f"{module_name}.{name}".lstrip("."))
            settings.update(overrides.get(name, {}))
            params.append({"params": [parameter], **settings})
    return reduce_param_groups(params)


def reduce_param_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return parameter groups with those of the same settings joined."""
    groups: dict[tuple, dict[str, Any]] = {}
    for group in params:
        settings = {key: value for key, value in group.items() if key != "params"}
        joined = groups.setdefault(tuple(sorted(settings.items())), {"params": [], **settings})
        joined["params"] += group["params"]
    return list(groups.values())


def _without_none(settings: dict[str, float | None]) -> dict[str, float]:
    return {key: value for key, value in settings.items() if value is not None}


def maybe_add_gradient_clipping(
    cfg: CfgNode, optimizer: type[torch.optim.Optimizer] | torch.optim.Optimizer
) -> type[torch.optim.Optimizer] | torch.optim.Optimizer:
    """Return `optimizer`, which clips gradients before each step if the configuration says so.

    Args:
        cfg: SOLVER.CLIP_GRADIENTS is read. CLIP_TYPE "value" bounds every element, "norm" the norm
            of each parameter's gradient by itself, by CLIP_VALUE.
        optimizer: a class, which gives a class, or an optimizer, which changes its class.
    """
    clipping = cfg.SOLVER.CLIP_GRADIENTS.clone()
    if not clipping.ENABLED:
        return optimizer
    try:
        clip_type = GradientClipType(clipping.CLIP_TYPE)
    except ValueError:
        raise ValueError(
            f"unknown SOLVER.CLIP_GRADIENTS.CLIP_TYPE '{clipping.CLIP_TYPE}'; choose value or norm"
        ) from None
    base = optimizer if isinstance(optimizer, type) else type(optimizer)

    def step(self, closure=None):
        parameters = [p for group in self.param_groups for p in group["params"]]
        parameters = [p for p in parameters if p.grad is not None]
        if clip_type == GradientClipType.VALUE and parameters:
            nn.utils.clip_grad_value_(parameters, clipping.CLIP_VALUE)
        else:
            for parameter in parameters:
                nn.utils.clip_grad_norm_(parameter, clipping.CLIP_VALUE, clipping.NORM_TYPE)
        return base.step(self, closure)

    clipping_class = type(base.__name__ + "WithGradientClip", (base,), {"step": step})
    if isinstance(optimizer, type):
        return clipping_class
    optimizer.__class__ = clipping_class
    return optimizer


def build_lr_scheduler(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
    """Return the schedule SOLVER.LR_SCHEDULER_NAME with a warm-up of WARMUP_ITERS iterations.

    WarmupMultiStepLR multiplies the learning rate by GAMMA at each of STEPS. WarmupCosineLR is
    0.5 (1 + cos(pi * progress)), scaled to fall from BASE_LR to BASE_LR_END.
    """
    solver = cfg.SOLVER
    if solver.LR_SCHEDULER_NAME == "WarmupMultiStepLR":
        steps = [step for step in solver.STEPS if step < solver.MAX_ITER]
        if len(steps) < len(solver.STEPS):
            logger.warning("SOLVER.STEPS from MAX_ITER %d on have no effect", solver.MAX_ITER)
        factors = [solver.GAMMA**k for k in range(len(steps) + 1)]
        schedule = MultiStepParamScheduler(factors, milestones=steps, num_updates=solver.MAX_ITER)
    elif solver.LR_SCHEDULER_NAME == "WarmupCosineLR":
        schedule = CosineParamScheduler(1.0, solver.BASE_LR_END / solver.BASE_LR)
    else:
        raise ValueError(
            f"unknown SOLVER.LR_SCHEDULER_NAME '{solver.LR_SCHEDULER_NAME}'; "
            "choose WarmupMultiStepLR or WarmupCosineLR"
        )
    multiplier = WarmupParamScheduler(
        schedule,
        solver.WARMUP_FACTOR,
        min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0),
        solver.WARMUP_METHOD,
        solver.RESCALE_INTERVAL,
    )
    return LRMultiplier(optimizer, multiplier=multiplier, max_iter=solver.MAX_ITER)
