import pytest
import torch
from torch import nn
from torch.fx.experimental import _config as symbolic_shapes

from detic.errors import InputError
from detic.export.program import Inputs, check_torch, drop_unused_weights


class Used(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Linear(3, 2)
        self.unused = nn.Linear(3, 2000)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("deviation", torch.ones(3))

    def forward(self, image, class_embeddings, thresholds):
        return self.used(image - self.mean)


def test_weights_that_a_call_does_not_read_are_dropped():
    graph = Used()
    inputs = Inputs(torch.ones(4, 3), torch.ones(1, 1), torch.ones(1))
    before = graph(*inputs)
    drop_unused_weights(graph, inputs)
    assert set(graph.state_dict()) == {"used.weight", "used.bias", "mean"}
    assert graph(*inputs).equal(before)


def test_an_older_torch_is_named(monkeypatch):
    monkeypatch.delattr(symbolic_shapes, "backed_size_oblivious")
    with pytest.raises(InputError, match=r"exporting needs torch 2\.9 or later, and .* installed"):
        check_torch()
