"""Parameter groups, gradient clipping and optimizers."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.solver import (
    build_optimizer,
    get_default_optimizer_params,
)
from detectron2.solver.build import maybe_add_gradient_clipping, reduce_param_groups
from torch import nn


def small_model():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2))


def settings_by_size(groups):
    return [
        (len(group["params"]), {k: v for k, v in group.items() if k != "params"})
        for group in groups
    ]


def test_equal_settings_share_a_group():
    groups = get_default_optimizer_params(small_model(), base_lr=0.1, weight_decay=0.5)
    assert settings_by_size(groups) == [(6, {"lr": 0.1, "weight_decay": 0.5})]


def test_norms_and_biases_have_their_own_settings():
    groups = get_default_optimizer_params(
        small_model(),
        base_lr=0.1,
        weight_decay=0.5,
        weight_decay_norm=0.0,
        bias_lr_factor=2.0,
        weight_decay_bias=0.25,
    )
    assert settings_by_size(groups) == [
        (2, {"lr": 0.1, "weight_decay": 0.5}),  # two weights
        (3, {"lr": 0.2, "weight_decay": 0.25}),  # three biases, that of the norm included
        (1, {"lr": 0.1, "weight_decay": 0.0}),  # the scale of the norm
    ]


def test_overrides_by_last_part_of_the_name():
    groups = get_default_optimizer_params(
        small_model(), base_lr=1.0, overrides={"bias": {"weight_decay": 9.0}}
    )
    assert settings_by_size(groups) == [(3, {"lr": 1.0}), (3, {"lr": 1.0, "weight_decay": 9.0})]


def test_frozen_parameters_are_left_out_and_shared_ones_counted_once():
    model = small_model()
    model[0].requires_grad_(False)
    model.append(model[2])
    groups = get_default_optimizer_params(model)
    assert settings_by_size(groups) == [(4, {})]


def test_optimizer_of_the_defaults():
    optimizer = build_optimizer(get_cfg(), small_model())
    assert type(optimizer) is torch.optim.SGD
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0001, 0.0]
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


def clipped_step(clip_type, limit, gradients):
    """Return the change of two parameters by a step with learning rate 1."""
    cfg = get_cfg()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = clip_type
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = limit
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    for parameter, gradient in zip(parameters, gradients, strict=False):
        parameter.grad = torch.tensor(gradient)
    optimizer = maybe_add_gradient_clipping(cfg, torch.optim.SGD)(parameters, lr=1.0)
    optimizer.step()
    return [(-parameter).tolist() for parameter in parameters]


def test_clipping_by_value_bounds_each_element():
    changes = clipped_step("value", 1.0, [[3.0, -0.5], [-4.0, 0.0]])
    assert changes == [[1, -0.5], [-1, 0], [0, 0]]  # the third parameter has no gradient


def test_clipping_by_norm_treats_each_parameter_by_itself():
    changes = clipped_step("norm", 1.0, [[3.0, 4.0], [0.5, 0.0]])
    assert changes[0] == pytest.approx([0.6, 0.8], abs=1e-5)
    assert changes[1] == [0.5, 0]


def test_clipping_an_existing_optimizer_changes_its_class():
    cfg = get_cfg()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert maybe_add_gradient_clipping(cfg, optimizer) is optimizer
    assert type(optimizer) is torch.optim.SGD
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    assert maybe_add_gradient_clipping(cfg, optimizer) is optimizer
    assert type(optimizer).__name__ == "SGDWithGradientClip"
    assert isinstance(optimizer, torch.optim.SGD)


def test_unknown_clip_type_is_named():
    with pytest.raises(ValueError, match="CLIP_TYPE 'full'; choose value or norm"):
        clipped_step("full", 1.0, [])


def test_rates_can_depend_on_names():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    groups = get_default_optimizer_params(
        model, base_lr=2.0, lr_factor_func=lambda name: 0.5 if name.startswith("0.") else 1.0
    )
    assert [(group["lr"], len(group["params"])) for group in groups] == [(1.0, 2), (2.0, 2)]
    with pytest.raises(ValueError, match="lr_factor_func multiplies base_lr"):
        get_default_optimizer_params(model, lr_factor_func=lambda name: 1.0)


def test_groups_of_the_same_settings_are_joined():
    groups = [{"params": ["a"], "lr": 1}, {"params": ["b"], "lr": 2}, {"params": ["c"], "lr": 1}]
    assert reduce_param_groups(groups) == [
        {"params": ["a", "c"], "lr": 1},
        {"params": ["b"], "lr": 2},
    ]
