"""A model, loader and trainer small enough to compute by hand."""

import torch
from detectron2.solver import LRMultiplier
from fvcore.common.param_scheduler import ExponentialParamScheduler
from torch import nn

from detic.engine.checkpoints import TrainingCheckpoints
from detic.engine.step import TrainingStep
from detic.engine.trainer import Trainer
from detic.loading.unreadable import UnreadableImages
from detic.plan.optimization import CheckpointParams, LoopParams, PrecisionParams


class ToyModel(nn.Module):
    """One weight w with the loss (w - target)^2 averaged over the batch, plus noise."""

    def __init__(self, noise: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.noise = noise

    def count_targets(self, batch):
        return None

    def forward(self, batch, object_counts=None):
        targets = torch.tensor([x["target"] for x in batch])
        noise = self.noise * torch.rand(())
        return {"loss_square": (self.weight - targets).square().mean() + noise * self.weight}


class ToyLoader:
    """Batches of one target each: 0, 1, 2 and so on."""

    def __init__(self):
        self.position = 0
        self.unreadable = UnreadableImages(0.01)

    def __iter__(self):
        while True:
            self.position += 1
            yield [{"target": float(self.position - 1), "file_name": f"{self.position - 1}.jpg"}]

    def state_dict(self):
        return {"position": self.position, "ranks": {}}

    def load_state_dict(self, state):
        self.position = state["position"]


def toy_step(model, accumulate=1, seed=5):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return TrainingStep(model, optimizer, PrecisionParams(), accumulate, seed)


def toy_trainer(folder, max_iter, *, period=1000, averaged=None, writers=(), **loop):
    model = ToyModel(noise=0.5)
    step = toy_step(model)
    return Trainer(
        step=step,
        scheduler=LRMultiplier(step.optimizer, ExponentialParamScheduler(1.0, 0.9**100), 100),
        loader=ToyLoader(),
        checkpoints=TrainingCheckpoints(folder, CheckpointParams(period, minutes=0)),
        writers=writers,
        evaluate=lambda at_end: {"bbox/AP": float(model.weight.detach())},
        averaged=averaged and averaged(model),
        loop=LoopParams(max_iter, **loop),
    )
