"""Optimizers, gradient clipping and schedules from a configuration."""

import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.lr_scheduler import LRMultiplier, LRScheduler, WarmupParamScheduler
from fvcore.common.param_scheduler import (
    CosineParamScheduler,
    MultiStepParamScheduler,
    ParamScheduler,
)
from torch import nn

logger = logging.getLogger(__name__)

_NORM_MODULES = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Returns stochastic gradient descent over the trainable parameters, as `cfg.SOLVER` says."""
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
    """Returns parameter groups for an optimizer; parameters with the same settings share one.

    What is None is left to the optimizer's own defaults.

    Args:
        model: its parameters that require gradients are taken, each once.
        base_lr: learning rate; needed for `bias_lr_factor` and `lr_factor_func`.
        weight_decay: of everything that has none of its own.
        weight_decay_norm: of the parameters of normalisation layers.
        bias_lr_factor: multiplies the learning rate of biases.
        weight_decay_bias: of biases, those of normalisation layers included.
        lr_factor_func: from the full name of a parameter to a factor of its learning rate.
        overrides: settings by the last part of the parameter's name, as
            {"embedding": {"lr": 0.01, "weight_decay": 0.1}}; they win over all others.

    Raises:
        ValueError: `base_lr` is missing, or `overrides` has "bias" besides the bias arguments.
    """
    needs_base_lr = bias_lr_factor != 1.0 or lr_factor_func is not None
    if needs_base_lr and base_lr is None:
        raise ValueError("bias_lr_factor and lr_factor_func need base_lr")
    bias_settings = {}
    if bias_lr_factor != 1.0:
        bias_settings["lr"] = base_lr * bias_lr_factor
    if weight_decay_bias is not None:
        bias_settings["weight_decay"] = weight_decay_bias
    overrides = dict(overrides or {})
    if bias_settings and "bias" in overrides:
        raise ValueError("set biases either by overrides or by the bias_* arguments, not by both")
    if bias_settings:
        overrides["bias"] = bias_settings
    defaults = {"lr": base_lr, "weight_decay": weight_decay}

    groups: dict[tuple, dict[str, Any]] = {}
    for module, full_name, name, parameter in _trainable_parameters(model):
        settings = {key: value for key, value in defaults.items() if value is not None}
        if isinstance(module, _NORM_MODULES) and weight_decay_norm is not None:
            settings["weight_decay"] = weight_decay_norm
        if lr_factor_func is not None:
            settings["lr"] *= lr_factor_func(full_name)
        settings.update(overrides.get(name, {}))
        group = groups.setdefault(tuple(sorted(settings.items())), {"params": [], **settings})
        group["params"].append(parameter)
    return list(groups.values())


def _trainable_parameters(
    model: nn.Module,
) -> Iterable[tuple[nn.Module, str, str, nn.Parameter]]:
    """Yields (owner, full name, last part of the name, parameter), shared parameters once."""
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                yield module, f"{module_name}.{name}".lstrip("."), name, parameter


def maybe_add_gradient_clipping(
    cfg: CfgNode, optimizer: type[torch.optim.Optimizer] | torch.optim.Optimizer
) -> type[torch.optim.Optimizer] | torch.optim.Optimizer:
    """Returns `optimizer`, which clips gradients before each step if the configuration says so.

    Args:
        cfg: SOLVER.CLIP_GRADIENTS is read. CLIP_TYPE "value" bounds every element, "norm" the norm
            of each parameter's gradient by itself, by CLIP_VALUE.
        optimizer: a class, which gives a class, or an optimizer, which changes its class.

    Raises:
        ValueError: CLIP_TYPE is unknown.
    """
    if not cfg.SOLVER.CLIP_GRADIENTS.ENABLED:
        return optimizer
    clip = _gradient_clipper(cfg.SOLVER.CLIP_GRADIENTS)
    base = optimizer if isinstance(optimizer, type) else type(optimizer)

    def step(self, closure=None):
        parameters = [p for group in self.param_groups for p in group["params"]]
        clip([p for p in parameters if p.grad is not None])
        return base.step(self, closure)

    clipping = type(base.__name__ + "WithGradientClip", (base,), {"step": step})
    if isinstance(optimizer, type):
        return clipping
    optimizer.__class__ = clipping
    return optimizer


def _gradient_clipper(clip_cfg: CfgNode) -> Callable[[list[nn.Parameter]], None]:
    """Returns a function that clips the gradients of parameters in place."""
    clip_type, limit, norm_type = clip_cfg.CLIP_TYPE, clip_cfg.CLIP_VALUE, clip_cfg.NORM_TYPE

    def clip_values(parameters: list[nn.Parameter]) -> None:
        if parameters:
            nn.utils.clip_grad_value_(parameters, limit)

    def clip_norms(parameters: list[nn.Parameter]) -> None:
        for parameter in parameters:
            nn.utils.clip_grad_norm_(parameter, limit, norm_type)

    clippers = {"value": clip_values, "norm": clip_norms}
    if clip_type not in clippers:
        raise ValueError(
            f"unknown SOLVER.CLIP_GRADIENTS.CLIP_TYPE '{clip_type}'; choose value or norm"
        )
    return clippers[clip_type]


def build_lr_scheduler(cfg: CfgNode, optimizer: torch.optim.Optimizer) -> LRScheduler:
    """Returns the schedule SOLVER.LR_SCHEDULER_NAME with a warm-up of WARMUP_ITERS iterations.

    Raises:
        ValueError: the name is unknown.
    """
    solver = cfg.SOLVER
    if solver.LR_SCHEDULER_NAME not in _SCHEDULES:
        raise ValueError(
            f"unknown SOLVER.LR_SCHEDULER_NAME '{solver.LR_SCHEDULER_NAME}'; "
            f"choose from: {', '.join(_SCHEDULES)}"
        )
    multiplier = WarmupParamScheduler(
        _SCHEDULES[solver.LR_SCHEDULER_NAME](solver),
        solver.WARMUP_FACTOR,
        min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0),
        solver.WARMUP_METHOD,
        solver.RESCALE_INTERVAL,
    )
    return LRMultiplier(optimizer, multiplier=multiplier, max_iter=solver.MAX_ITER)


def _multi_step(solver: CfgNode) -> ParamScheduler:
    """Returns a factor that GAMMA multiplies at each of STEPS."""
    steps = [step for step in solver.STEPS if step < solver.MAX_ITER]
    if len(steps) < len(solver.STEPS):
        logger.warning("SOLVER.STEPS from MAX_ITER %d on have no effect", solver.MAX_ITER)
    return MultiStepParamScheduler(
        values=[solver.GAMMA**k for k in range(len(steps) + 1)],
        milestones=steps,
        num_updates=solver.MAX_ITER,
    )


def _cosine(solver: CfgNode) -> ParamScheduler:
    """Returns 0.5 (1 + cos(pi * progress)), scaled to end at BASE_LR_END / BASE_LR."""
    end_factor = solver.BASE_LR_END / solver.BASE_LR
    if not 0.0 <= end_factor <= 1.0:
        raise ValueError(
            f"SOLVER.BASE_LR_END {solver.BASE_LR_END} must lie between 0 and BASE_LR "
            f"{solver.BASE_LR}"
        )
    return CosineParamScheduler(1.0, end_factor)


def _step_with_fixed_gamma(solver: CfgNode) -> ParamScheduler:
    """Returns a factor that GAMMA multiplies NUM_DECAYS times at equal intervals."""
    num_values = solver.NUM_DECAYS + 1
    return MultiStepParamScheduler(
        values=[solver.GAMMA**k for k in range(num_values)],
        milestones=[math.ceil(k * solver.MAX_ITER / num_values) for k in range(1, num_values)],
        num_updates=solver.MAX_ITER,
    )


_SCHEDULES: dict[str, Callable[[CfgNode], ParamScheduler]] = {
    "WarmupMultiStepLR": _multi_step,
    "WarmupCosineLR": _cosine,
    "WarmupStepWithFixedGammaLR": _step_with_fixed_gamma,
}
