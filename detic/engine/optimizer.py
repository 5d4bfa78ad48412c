"""Optimizers whose parameters have learning rates and weight decays of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from detectron2.solver import get_default_optimizer_params
from torch import Tensor, nn

from detic.errors import InputError
from detic.modeling.backbone.depth import depths
from detic.modeling.backbone.places import below_pyramid

_FULL_MODEL = "full_model"  # CLIP_TYPE: clip the norm of all gradients together


class JoinedAdamW(torch.optim.AdamW):
    """AdamW whose step takes groups of equal settings together.

    Groups of one parameter each, as checkpoints have them, would cost a dozen small operators per
    parameter, which a GPU waits for. They are joined anew in each step: schedules and checkpoints
    set their rates.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters as AdamW does."""
        joined = torch.optim.AdamW(_joined(self.param_groups))
        joined.state = self.state
        return joined.step(closure)


def _joined(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups with those of equal settings joined."""
    joined: list[dict[str, Any]] = []
    settings_of: list[dict[str, Any]] = []
    for group in groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        if settings not in settings_of:
            settings_of.append(settings)
            joined.append({**settings, "params": []})
        joined[settings_of.index(settings)]["params"] += group["params"]
    return joined


def build_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of ``cfg.SOLVER``, with detectron2's groups unless ``USE_CUSTOM_SOLVER``.

    In these the weights and biases of norms have ``WEIGHT_DECAY_NORM``, other biases
    ``WEIGHT_DECAY_BIAS`` and ``BIAS_LR_FACTOR``.
    """
    solver = cfg.SOLVER
    if solver.USE_CUSTOM_SOLVER:
        return build_parameterwise_optimizer(cfg, model)
    _check_detectron2_solver(solver)
    groups = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    )
    return _build(groups, solver)


def build_parameterwise_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer with a group per parameter; its step clips gradients first, if asked.

    The learning rate is ``BASE_LR`` times ``BACKBONE_MULTIPLIER`` in the backbone times
    ``CUSTOM_MULTIPLIER`` where the name contains one of ``CUSTOM_MULTIPLIER_NAME`` times
    ``BACKBONE_LAYER_DECAY`` for each stage that is nearer to the images; weight decay applies to
    all, biases included.
    """
    solver = cfg.SOLVER
    decays = _layer_decays(model, solver.get("BACKBONE_LAYER_DECAY", 1.0))
    groups = [
        {"params": [parameter], "lr": _learning_rate(name, solver) * decays.get(name, 1.0)}
        for name, parameter in _trainable(model)
    ]
    return _build(groups, solver)


def _build(groups: list[dict[str, Any]], solver) -> torch.optim.Optimizer:
    on_cpu = all(p.device.type == "cpu" for group in groups for p in group["params"])
    optimizer_type, options = _optimizer(solver, on_cpu)
    optimizer = optimizer_type(
        groups, lr=solver.BASE_LR, weight_decay=solver.WEIGHT_DECAY, **options
    )
    if solver.CLIP_GRADIENTS.ENABLED:
        _clip_gradients(optimizer, solver.CLIP_GRADIENTS)
    return optimizer


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the trainable parameters, shared ones once."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _learning_rate(name: str, solver) -> float:
    rate = solver.BASE_LR
    if "backbone" in name:
        rate *= solver.BACKBONE_MULTIPLIER
    if any(part in name for part in solver.CUSTOM_MULTIPLIER_NAME):
        rate *= solver.CUSTOM_MULTIPLIER
    return rate


def _layer_decays(model: nn.Module, decay: float) -> dict[str, float]:
    """Return the factors on the learning rates of the backbone below the pyramid, by name."""
    if decay == 1:
        return {}
    found = depths(below_pyramid(name for name, _ in model.named_parameters()))
    if not found.has_stages:
        raise InputError(
            f"SOLVER.BACKBONE_LAYER_DECAY is {decay:g}, but the names of the backbone's parameters "
            "tell no stages; set it to 1 or choose another backbone"
        )
    return {name: decay ** (found.top - depth) for name, depth in found.by_name.items()}


def _optimizer(solver, on_cpu: bool) -> tuple[Callable[..., torch.optim.Optimizer], dict]:
    """Return the optimizer's class and its own options."""
    if solver.OPTIMIZER == "SGD":
        return torch.optim.SGD, {"momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    if solver.OPTIMIZER == "ADAMW":
        # On a GPU a fused step would see gradients that were clipped before their scale is removed.
        return JoinedAdamW, {"fused": on_cpu}
    raise InputError(f"unknown SOLVER.OPTIMIZER {solver.OPTIMIZER!r}; choose SGD or ADAMW")


def _clip_gradients(optimizer: torch.optim.Optimizer, clipping) -> None:
    """Make ``optimizer`` clip gradients before each step, as ``SOLVER.CLIP_GRADIENTS`` says.

    The types "value", which bounds each element, and "norm", of each parameter by itself, are
    detectron2's; its own clipping fails with torch 2 if a parameter has no gradient.
    """
    clip_type, value = clipping.CLIP_TYPE, clipping.CLIP_VALUE
    if clip_type not in (_FULL_MODEL, "value", "norm"):
        raise InputError(
            f"unknown SOLVER.CLIP_GRADIENTS.CLIP_TYPE {clip_type!r}; choose value, norm or "
            f"{_FULL_MODEL}"
        )

    def clip(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        parameters = [p for p in parameters if p.grad is not None]
        if not parameters:
            return
        if clip_type == _FULL_MODEL:
            nn.utils.clip_grad_norm_(parameters, value)
        elif clip_type == "value":
            nn.utils.clip_grad_value_(parameters, value)
        else:
            _clip_each_norm([p.grad for p in parameters], value, clipping.NORM_TYPE)

    optimizer.register_step_pre_hook(clip)


def _clip_each_norm(gradients: list[Tensor], largest: float, norm_type: float) -> None:
    """Scale down, in place, each gradient whose norm exceeds ``largest``."""
    norms = torch._foreach_norm(gradients, norm_type)
    factors = [(largest / (norm + 1e-6)).clamp(max=1) for norm in norms]
    torch._foreach_mul_(gradients, factors)


def _check_detectron2_solver(solver) -> None:
    """Refuse settings that only the parameterwise solver knows."""
    for key in ("BACKBONE_MULTIPLIER", "BACKBONE_LAYER_DECAY"):
        if solver.get(key, 1.0) != 1.0:
            raise InputError(f"SOLVER.{key} {solver[key]} needs SOLVER.USE_CUSTOM_SOLVER True")
    if solver.CLIP_GRADIENTS.ENABLED and solver.CLIP_GRADIENTS.CLIP_TYPE == _FULL_MODEL:
        raise InputError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE {_FULL_MODEL} needs SOLVER.USE_CUSTOM_SOLVER True"
        )
