"""Building a model whose weights are read from a file afterwards."""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What fills tensors with random numbers; erfinv_ shapes those of trunc_normal_
_DRAWS = frozenset(
    (
        *(nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_),
        *(Tensor.uniform_, Tensor.normal_, Tensor.erfinv_),
    )
)


class BlankWeights(TorchFunctionMode):
    """Within it, weights that would be random are left as memory is: drawing takes seconds.

    No random numbers are used up. What a file has to replace is found by name, see
    ``detic.checkpoint.load_weights``, so nothing depends on the values.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@torch.no_grad()
def zero_parameters(model: nn.Module, but: Collection[str]) -> None:
    """Set the parameters of a model to zeros, except for those of these names."""
    for name, parameter in model.named_parameters():
        if name not in but:
            parameter.zero_()
