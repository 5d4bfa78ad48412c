"""Optimizers with a learning rate per parameter."""

from collections.abc import Iterator

import torch
from detectron2.solver import build_optimizer as build_detectron2_optimizer
from detectron2.solver.build import maybe_add_gradient_clipping
from torch import nn

from detic.errors import InputError

_FULL_MODEL = "full_model"  # CLIP_TYPE: clip the norm of all gradients together


def build_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of ``cfg.SOLVER``: ours with ``USE_CUSTOM_SOLVER``, or detectron2's."""
    if cfg.SOLVER.USE_CUSTOM_SOLVER:
        return build_parameterwise_optimizer(cfg, model)
    _check_detectron2_solver(cfg.SOLVER)
    return build_detectron2_optimizer(cfg, model)


def build_parameterwise_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer with a group per parameter; its step clips gradients first, if asked.

    The learning rate is ``BASE_LR`` times ``BACKBONE_MULTIPLIER`` in the backbone times
    ``CUSTOM_MULTIPLIER`` where the name contains one of ``CUSTOM_MULTIPLIER_NAME``; weight decay
    applies to all, biases included.
    """
    solver = cfg.SOLVER
    groups = [
        {"params": [parameter], "lr": _learning_rate(name, solver)}
        for name, parameter in _trainable(model)
    ]
    optimizer_type, options = _optimizer(solver)
    if solver.CLIP_GRADIENTS.ENABLED and solver.CLIP_GRADIENTS.CLIP_TYPE != _FULL_MODEL:
        optimizer_type = maybe_add_gradient_clipping(cfg, optimizer_type)
    optimizer = optimizer_type(
        groups, lr=solver.BASE_LR, weight_decay=solver.WEIGHT_DECAY, **options
    )
    if solver.CLIP_GRADIENTS.ENABLED and solver.CLIP_GRADIENTS.CLIP_TYPE == _FULL_MODEL:
        _clip_total_norm(optimizer, solver.CLIP_GRADIENTS.CLIP_VALUE)
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


def _optimizer(solver) -> tuple[type[torch.optim.Optimizer], dict]:
    """Return the optimizer's class and its own options."""
    if solver.OPTIMIZER == "SGD":
        return torch.optim.SGD, {"momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    if solver.OPTIMIZER == "ADAMW":
        return torch.optim.AdamW, {}
    raise InputError(f"unknown SOLVER.OPTIMIZER {solver.OPTIMIZER!r}; choose SGD or ADAMW")


def _clip_total_norm(optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    """Make ``optimizer`` clip the norm of all gradients before each step."""

    def clip(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, max_norm)

    optimizer.register_step_pre_hook(clip)


def _check_detectron2_solver(solver) -> None:
    """Refuse settings that only the solver of this file knows."""
    for key, given, expected in (
        ("OPTIMIZER", solver.OPTIMIZER, "SGD"),
        ("BACKBONE_MULTIPLIER", solver.BACKBONE_MULTIPLIER, 1.0),
    ):
        if given != expected:
            raise InputError(f"SOLVER.{key} {given} needs SOLVER.USE_CUSTOM_SOLVER True")
    if solver.CLIP_GRADIENTS.ENABLED and solver.CLIP_GRADIENTS.CLIP_TYPE == _FULL_MODEL:
        raise InputError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE {_FULL_MODEL} needs SOLVER.USE_CUSTOM_SOLVER True"
        )
