"""Three steps of each optimizer."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.arrays import Arrays, to_array
from tests.parity.noise import tensor
from tests.parity.ours import base_config, build_parameterwise_optimizer

CLIPPED = ["SOLVER.OPTIMIZER", "ADAMW", "SOLVER.CLIP_GRADIENTS.ENABLED", True]
SETTINGS = {
    "sgd": ["SOLVER.OPTIMIZER", "SGD"],
    "adamw": CLIPPED,
    "full": [
        *CLIPPED,
        *("SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model"),
        *("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", 0.01),
        *("SOLVER.BACKBONE_MULTIPLIER", 0.1, "SOLVER.CUSTOM_MULTIPLIER", 0.5),
        *("SOLVER.CUSTOM_MULTIPLIER_NAME", ["sampling_offsets"]),
    ],
}


class Net(nn.Module):
    """Parameters whose names settings ask for, and a frozen one."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(3, 4)
        self.norm = nn.GroupNorm(2, 4)
        self.sampling_offsets = nn.Linear(4, 2)
        self.frozen = nn.Parameter(torch.zeros(2), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.sampling_offsets(self.norm(self.backbone(x)))


def optimizers(folder: Path) -> Arrays:
    """Return learning rates, weight decays and sizes of groups, and the parameters after steps.

    Adam divides gradients by their own size, those too that are nothing but rounding. A process of
    its own can have MKL round products alike on all processors.
    """
    file = folder / "optimizers.npz"
    environment = {"MKL_CBWR": "COMPATIBLE", "PYTHONPATH": os.pathsep.join(sys.path)}
    program = f"import numpy, {__name__} as o; numpy.savez({str(file)!r}, **o.after_three_steps())"
    subprocess.run([sys.executable, "-c", program], env=os.environ | environment, check=True)
    with np.load(file) as arrays:
        return dict(arrays)


def after_three_steps() -> Arrays:
    """Return what :func:`optimizers` does, computed in this process."""
    arrays = {}
    for name, settings in SETTINGS.items():
        cfg = base_config()
        cfg.merge_from_list(["SOLVER.BASE_LR", 0.02, "SOLVER.WEIGHT_DECAY", 0.01, *settings])
        net = Net()
        with torch.no_grad():
            for key, parameter in net.named_parameters():
                parameter.copy_(tensor(f"solver/{key}", parameter.shape, 0.3))
        optimizer = build_parameterwise_optimizer(cfg, net)
        arrays[f"opt/{name}.groups"] = np.array(
            [[g["lr"], g["weight_decay"], len(g["params"])] for g in optimizer.param_groups]
        )
        _take_steps(net, optimizer)
        arrays[f"opt/{name}.params"] = np.concatenate(
            [to_array(parameter).ravel() for parameter in net.parameters()]
        )
    return arrays


def _take_steps(net: Net, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(3):
        optimizer.zero_grad()
        net(tensor("solver/x", (5, 3), 3.0)).square().sum().backward()
        optimizer.step()
