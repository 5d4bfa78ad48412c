"""What the recipe of the tests is made of."""

import numpy as np
import torch
from detectron2.evaluation import DatasetEvaluator
from torch import nn


class OneWeight(nn.Module):
    """A weight that is to become ``target``."""

    def __init__(self, target):
        super().__init__()
        self.backbone = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.backbone.weight)
        self.target = target

    def forward(self, batch):
        if not self.training:
            return [{"found": float(self.backbone.weight)} for _ in batch]
        x = torch.stack([example["x"] for example in batch])
        return {"loss": (self.backbone(x) - self.target).square().mean()}


def batches(count):
    """Return batches of one example each."""
    return [[{"x": torch.ones(1), "image_id": i}] for i in range(count)]


def drawn(count):
    """Return as many batches as asked for, which the seed of numpy decides."""
    return [[{"x": torch.tensor([x]), "image_id": x}] for x in np.random.rand(count).tolist()]


class Counted(DatasetEvaluator):
    """Counts the inputs, and keeps what was found last."""

    def reset(self):
        self.count, self.found = 0, None

    def process(self, inputs, outputs):
        self.count += len(inputs)
        self.found = outputs[0]["found"]

    def evaluate(self):
        return {"toy": {"count": self.count, "found": self.found}}
