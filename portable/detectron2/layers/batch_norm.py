"""Batch normalisation with frozen statistics or with statistics of all processes, and `get_norm`.

Shapes: B images, C channels, H x W feature map.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from detectron2.utils import comm
from fvcore.nn.distributed import differentiable_all_reduce
from torch import nn


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and affine parameters are constant buffers.

    It is the identity until a checkpoint is loaded. Buffers: weight, bias, running_mean,
    running_var, each (C,). A layer made by `convert_frozen_batchnorm` also keeps the counter
    `num_batches_tracked`, so that its state dict has the names of the layer it replaces.
    """

    def __init__(self, num_features: int, eps: float = 1e-5):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features) - eps)
        self.register_buffer("num_batches_tracked", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, C, H, W) normalised with the stored statistics."""
        if not x.requires_grad:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        # A product with constants keeps no copy of x for the backward pass, batch_norm does.
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # Checkpoints older than the counter lack it. Its value is never used.
        counter = prefix + "num_batches_tracked"
        if self.num_batches_tracked is not None and counter not in state_dict:
            state_dict = {**state_dict, counter: self.num_batches_tracked}
        super()._load_from_state_dict(state_dict, prefix, *args)

    @classmethod
    def convert_frozen_batchnorm(cls, module: nn.Module) -> nn.Module:
        """Return `module` with every batch normalisation inside it frozen.

        Children are replaced in place. If `module` itself is a batch normalisation, the result
        is a new layer.
        """
        if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
            return cls._frozen_copy(module)
        for name, child in module.named_children():
            setattr(module, name, cls.convert_frozen_batchnorm(child))
        return module

    @classmethod
    def _frozen_copy(cls, norm: nn.BatchNorm2d | nn.SyncBatchNorm) -> "FrozenBatchNorm2d":
        frozen = cls(norm.num_features, norm.eps).to(norm.running_mean.device)
        frozen.train(norm.training)
        if norm.affine:
            frozen.weight = norm.weight.detach().clone()
            frozen.bias = norm.bias.detach().clone()
        frozen.running_mean = norm.running_mean.detach()
        frozen.running_var = norm.running_var.detach()
        frozen.num_batches_tracked = norm.num_batches_tracked
        return frozen


class NaiveSyncBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, for CPU tensors too.

    Every process counts the same, which is exact when all feature maps have the same size.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return `input` (B, C, H, W) normalised; updates the running statistics in training."""
        world_size = comm.get_world_size()
        if world_size == 1 or not self.training:
            return super().forward(input)
        assert len(input) > 0, "the statistics of an empty batch are undefined"
        x = input.float()
        moments = torch.cat((x.mean(dim=(0, 2, 3)), (x * x).mean(dim=(0, 2, 3))))
        mean, mean_of_squares = (differentiable_all_reduce(moments) / world_size).chunk(2)
        variance = mean_of_squares - mean * mean
        self.running_mean += self.momentum * (mean.detach() - self.running_mean)
        self.running_var += self.momentum * (variance.detach() - self.running_var)
        self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(input.dtype)


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "BN": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "naiveSyncBN": NaiveSyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": lambda channels: nn.GroupNorm(32, channels),
}


def get_norm(norm: str | Callable[[int], nn.Module] | None, out_channels: int) -> nn.Module | None:
    """Return a normalisation layer for `out_channels` channels, None for "" or None.

    `norm` is a name, or a function from the number of channels to a layer.
    """
    if norm is None or norm == "":
        return None
    if isinstance(norm, str):
        if norm not in _NORMS:
            raise ValueError(f"unknown norm '{norm}'; choose from: '', {', '.join(_NORMS)}")
        norm = _NORMS[norm]
    return norm(out_channels)
