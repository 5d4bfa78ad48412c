"""No random numbers: what draws them is replaced by a fixed choice or switched off."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def seed_all(seed: int) -> None:
    """Seed the generators of Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextlib.contextmanager
def fixed_choices(seed: int) -> Iterator[None]:
    """Draw the heaviest entries, ties by index; permute nothing; seed what still draws."""
    with FixedChoices():
        seed_all(seed)
        yield


class FixedChoices(TorchFunctionMode):
    """Replaces ``multinomial`` and ``randperm``, functions and methods."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.randperm:
            return torch.arange(args[0], device=kwargs.get("device"))
        if func in (torch.multinomial, Tensor.multinomial):
            return heaviest(*args, **kwargs)
        return func(*args, **kwargs)


class ZerosForNoise(TorchFunctionMode):
    """Fills weights with zeros instead of random numbers, which take most of building."""

    RANDOM = (nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in self.RANDOM:
            weight = args[0] if args else kwargs["tensor"]
            return weight.detach().zero_()
        return func(*args, **kwargs)


def heaviest(weights: Tensor, count: int, replacement: bool = False) -> Tensor:
    """Return the indices (count,) of the largest ``weights``, ties by index."""
    weights = weights.detach().double()
    assert replacement or count <= int((weights > 0).sum()), "more draws than positive weights"
    return weights.argsort(descending=True, stable=True)[:count]


def without_dropout(model: nn.Module) -> nn.Module:
    """Return ``model`` with dropout and stochastic depth switched off."""
    for module in model.modules():
        if type(module).__name__ == "DropPath":
            module.drop_prob = 0.0
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return model
