import math
from pathlib import Path

import pytest
import torch
from detectron2.solver import build_lr_scheduler
from torch import nn

from detic.engine.optimizer import JoinedAdamW, build_optimizer
from detic.errors import InputError
from detic.recipes import default_config, load_recipe

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.head = nn.Linear(2, 1)
        self.frozen = nn.Parameter(torch.zeros(1), requires_grad=False)


def config(*overrides):
    cfg = default_config()
    cfg.merge_from_list(["SOLVER.USE_CUSTOM_SOLVER", True, "SOLVER.BASE_LR", 0.1, *overrides])
    return cfg


def test_rates_multiply_by_name():
    cfg = config(
        "SOLVER.BACKBONE_MULTIPLIER",
        0.1,
        "SOLVER.CUSTOM_MULTIPLIER",
        0.5,
        "SOLVER.CUSTOM_MULTIPLIER_NAME",
        ["bias"],
    )
    rates = [group["lr"] for group in build_optimizer(cfg, Net()).param_groups]
    assert rates == pytest.approx([0.01, 0.005, 0.1, 0.05])


def test_rates_fall_towards_the_images_and_frozen_stages_count():
    net = nn.Module()
    net.backbone = nn.Module()
    net.backbone.bottom_up = nn.ModuleDict(
        {n: nn.Linear(1, 1, bias=False) for n in ("stem", "layer1", "layer2", "norm")}
    )
    net.backbone.fpn_output3 = nn.Linear(1, 1, bias=False)
    net.backbone.bottom_up["layer1"].requires_grad_(False)
    optimizer = build_optimizer(config("SOLVER.BACKBONE_LAYER_DECAY", 0.5), net)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([0.0125, 0.05, 0.1, 0.1])  # stem, layer2, norm, pyramid


def test_weight_decay_reaches_biases():
    optimizer = build_optimizer(config("SOLVER.OPTIMIZER", "ADAMW"), Net())
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0001}
    assert isinstance(optimizer, torch.optim.AdamW)


def test_a_step_of_joined_groups_is_that_of_single_ones():
    def weights_after_steps(optimizer_type):
        torch.manual_seed(0)
        net = Net()
        names = ("backbone", "backbone", "head", "head")
        rates = {"backbone": 0.01, "head": 0.1}
        trained = [p for p in net.parameters() if p.requires_grad]
        groups = [{"params": [p], "lr": rates[n]} for n, p in zip(names, trained, strict=True)]
        optimizer = optimizer_type(groups, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        calls = []
        optimizer.register_step_pre_hook(lambda *_: calls.append(len(optimizer.param_groups)))
        for _ in range(3):
            optimizer.zero_grad()
            net.head(net.backbone(torch.ones(3, 2))).sum().backward()
            net.head.bias.grad = None  # as parameters of parts that were not used
            optimizer.step()
            schedule.step()
        assert calls == [4, 4, 4]
        return [p.detach() for p in trained], optimizer.state_dict()

    found, state = weights_after_steps(JoinedAdamW)
    expected, expected_state = weights_after_steps(torch.optim.AdamW)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert state["param_groups"] == expected_state["param_groups"]
    assert state["state"].keys() == expected_state["state"].keys() == {0, 1, 2}


def decays_by_shape(*overrides):
    """Return the weight decays of a layer's weight and bias and of its norm's."""
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = build_optimizer(config("SOLVER.USE_CUSTOM_SOLVER", False, *overrides), net)
    decays = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    return type(optimizer), [decays[p] for p in net.parameters()]


def test_the_vild_recipes_warm_up_to_a_cosine():
    cfg = load_recipe(CONFIGS / "Detic_ViLD_200e.yaml")
    optimizer = build_optimizer(cfg, nn.Linear(1, 1))
    schedule = build_lr_scheduler(cfg, optimizer)

    def cosine(iteration):
        return (1 + math.cos(math.pi * iteration / 92187)) / 2

    rates = []
    for _ in range(1000):
        rates.append(optimizer.param_groups[0]["lr"] / 8e-4)
        optimizer.step()
        schedule.step()
    expected = [0.067, (0.067 + cosine(500)) / 2, cosine(500), cosine(999)]
    assert [rates[i] for i in (0, 250, 500, 999)] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["SGD", "ADAMW"])
def test_norms_do_not_decay_in_detectron2s_groups(name):
    kind, decays = decays_by_shape("SOLVER.OPTIMIZER", name)
    assert issubclass(kind, {"SGD": torch.optim.SGD, "ADAMW": torch.optim.AdamW}[name])
    assert decays == [0.0001, 0.0001, 0, 0]
    biases = decays_by_shape("SOLVER.OPTIMIZER", name, "SOLVER.WEIGHT_DECAY_BIAS", 0.5)[1]
    assert biases == [0.0001, 0.5, 0, 0.5]


def gradients_after_step(clip_type, value, without=()):
    net = Net()
    cfg = config(
        "SOLVER.CLIP_GRADIENTS.ENABLED",
        True,
        "SOLVER.CLIP_GRADIENTS.CLIP_TYPE",
        clip_type,
        "SOLVER.CLIP_GRADIENTS.CLIP_VALUE",
        value,
    )
    optimizer = build_optimizer(cfg, net)
    for name, p in net.named_parameters():
        if p.requires_grad and name not in without:
            p.grad = torch.full_like(p, 10.0)
    optimizer.step()
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def test_whole_model_norm_is_clipped():
    torch.testing.assert_close(gradients_after_step("full_model", 3.0).norm(), torch.tensor(3.0))


def test_values_are_clipped_one_by_one():
    assert (gradients_after_step("value", 2.0) == 2.0).all()


def test_norms_are_clipped_parameter_by_parameter():
    # The parameters have 4, 2, 2 and 1 elements.
    norms = [part.norm() for part in gradients_after_step("norm", 2.0).split([4, 2, 2, 1])]
    torch.testing.assert_close(torch.stack(norms), torch.full((4,), 2.0))


@pytest.mark.parametrize("clip_type", ["full_model", "value", "norm"])
def test_parameters_without_gradient_are_not_clipped(clip_type):
    assert len(gradients_after_step(clip_type, 2.0, without=["head.bias"])) == 8


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["SOLVER.OPTIMIZER", "LION"], "choose SGD or ADAMW"),
        (
            ["SOLVER.USE_CUSTOM_SOLVER", False, "SOLVER.BACKBONE_MULTIPLIER", 0.1],
            "BACKBONE_MULTIPLIER 0.1 needs SOLVER.USE_CUSTOM_SOLVER",
        ),
        (
            ["SOLVER.USE_CUSTOM_SOLVER", False, "SOLVER.BACKBONE_LAYER_DECAY", 0.5],
            "BACKBONE_LAYER_DECAY 0.5 needs SOLVER.USE_CUSTOM_SOLVER",
        ),
        (["SOLVER.BACKBONE_LAYER_DECAY", 0.5], "DECAY is 0.5, but .* tell no stages; set it to 1"),
        (
            ["SOLVER.CLIP_GRADIENTS.ENABLED", True, "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "sum"],
            "choose value, norm or full_model",
        ),
    ],
)
def test_impossible_solver_is_refused(overrides, message):
    with pytest.raises(InputError, match=message):
        build_optimizer(config(*overrides), Net())
