"""Batch normalisation with frozen statistics or with statistics of all processes, and `get_norm`.

Shapes: B images, C channels, H x W feature map.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from detectron2.utils import comm
from fvcore.nn.distributed import differentiable_all_reduce
from torch import nn


class _AffineMap(NamedTuple):
    """What a frozen normalisation does, and the buffers that it follows from."""

    buffers: tuple[torch.Tensor, ...]  # kept, so that no other tensor takes their identity
    sources: tuple  # their identities and versions
    scale: torch.Tensor  # (C, 1, 1)
    shift: torch.Tensor  # (C, 1, 1)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and affine parameters are constant buffers.

    It is the identity until a checkpoint is loaded. Buffers: weight, bias, running_mean,
    running_var, each (C,). A layer made by `convert_frozen_batchnorm` also keeps the counter
    `num_batches_tracked`, so that its state dict has the names of the layer it replaces.
    """

    _known_map: _AffineMap | None = None

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
        scale, shift = self._affine_map(x.dtype)
        return torch.addcmul(shift, x, scale)

    def _affine_map(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return factor and summand of each channel, (C, 1, 1); computed once for these buffers."""
        buffers = self.weight, self.bias, self.running_mean, self.running_var
        # The version of a tensor counts its changes in place.
        sources = dtype, [(id(buffer), buffer._version) for buffer in buffers]
        if self._known_map is None or self._known_map.sources != sources:
            scale = self.weight * (self.running_var + self.eps).rsqrt()
            shift = self.bias - self.running_mean * scale
            maps = (y.to(dtype)[:, None, None] for y in (scale, shift))
            self._known_map = _AffineMap(buffers, sources, *maps)
        return self._known_map.scale, self._known_map.shift

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
        kinds = nn.BatchNorm2d | nn.SyncBatchNorm
        return _replace_modules(module, kinds, cls._frozen_copy)

    @classmethod
    def convert_frozenbatchnorm2d_to_batchnorm2d(cls, module: nn.Module) -> nn.Module:
        """Return `module` with every frozen layer inside it as one that is trained."""
        return _replace_modules(module, FrozenBatchNorm2d, cls._trainable_copy)

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

    @staticmethod
    def _trainable_copy(frozen: "FrozenBatchNorm2d") -> nn.BatchNorm2d:
        norm = nn.BatchNorm2d(frozen.num_features, frozen.eps).to(frozen.weight.device)
        norm.train(frozen.training)
        norm.load_state_dict(frozen.state_dict(), strict=False)
        return norm


def _replace_modules(module: nn.Module, kinds, replace: Callable[[nn.Module], nn.Module]):
    """Return `module` with every module of `kinds` in it replaced, in place; or its replacement."""
    if isinstance(module, kinds):
        return replace(module)
    for name, child in module.named_children():
        setattr(module, name, _replace_modules(child, kinds, replace))
    return module


class LayerNorm(nn.Module):
    """Layer normalisation over the channels of each pixel; parameters weight, bias, each (C,)."""

    def __init__(self, normalized_shape: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(normalized_shape))
        self.bias = nn.Parameter(torch.zeros(normalized_shape))
        self.eps = eps
        self.normalized_shape = (normalized_shape,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, C, H, W), each pixel with mean 0 and variance 1 before the scaling."""
        pixels_last = x.movedim(1, -1)
        normalised = F.layer_norm(
            pixels_last, self.normalized_shape, self.weight, self.bias, self.eps
        )
        return normalised.movedim(-1, 1)


class CycleBatchNormList(nn.ModuleList):
    """Batch norms that share their affine parameters and take turns, one per call.

    A head that runs on several feature levels thereby has statistics of its own for each.
    """

    def __init__(self, length: int, bn_class=nn.BatchNorm2d, **kwargs):
        """Make `length` norms `bn_class(**kwargs)` without affine parameters."""
        channels = kwargs["num_features"]
        kwargs.pop("affine", None)
        super().__init__(bn_class(**kwargs, affine=False) for _ in range(length))
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._position = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, C, H, W) normalised by the next norm."""
        normalised = self[self._position](x)
        self._position = (self._position + 1) % len(self)
        return normalised * self.weight[:, None, None] + self.bias[:, None, None]


class NaiveSyncBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, for CPU tensors too."""

    def __init__(self, *args, stats_mode: str = "", **kwargs):
        """
        Args:
            stats_mode: "" lets every process count the same, which is exact when all feature maps
                have the same size; "N" weights the statistics of a process by its batch size,
                which may be 0.
            args, kwargs: those of `torch.nn.BatchNorm2d`.
        """
        super().__init__(*args, **kwargs)
        if stats_mode not in ("", "N"):
            raise ValueError(f"unknown stats_mode '{stats_mode}'; choose '' or 'N'")
        self._stats_mode = stats_mode

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return `input` (B, C, H, W) normalised; updates the running statistics in training."""
        if comm.get_world_size() == 1 or not self.training:
            return super().forward(input)
        x = input.float()
        momentum = self.momentum
        if self._stats_mode == "N":
            mean, mean_of_squares, total = self._weighted_moments(x)
            momentum = momentum * total.clamp(max=1)  # nothing is learned of empty batches
        else:
            assert len(input) > 0, "the statistics of an empty batch are undefined"
            moments = torch.cat((x.mean(dim=(0, 2, 3)), (x * x).mean(dim=(0, 2, 3))))
            moments = differentiable_all_reduce(moments) / comm.get_world_size()
            mean, mean_of_squares = moments.chunk(2)
        variance = mean_of_squares - mean * mean
        self.running_mean += momentum * (mean.detach() - self.running_mean)
        self.running_var += momentum * (variance.detach() - self.running_var)
        self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (x * scale[:, None, None] + shift[:, None, None]).to(input.dtype)

    @staticmethod
    def _weighted_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return mean (C,) and mean of squares (C,) over all images, and their number ().

        Every process takes part, so that the gradients of the others can reach an empty batch.
        """
        pixels = max(x.shape[2] * x.shape[3], 1)
        count = x.new_full((1,), float(len(x)))
        sums = (x.sum(dim=(0, 2, 3)) / pixels, (x * x).sum(dim=(0, 2, 3)) / pixels, count)
        reduced = differentiable_all_reduce(torch.cat(sums))
        total = reduced[-1].detach()
        mean, mean_of_squares = (reduced[:-1] / total.clamp(min=1)).chunk(2)
        return mean, mean_of_squares, total


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "BN": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "nnSyncBN": nn.SyncBatchNorm,
    "naiveSyncBN": NaiveSyncBatchNorm,
    "naiveSyncBN_N": functools.partial(NaiveSyncBatchNorm, stats_mode="N"),
    "FrozenBN": FrozenBatchNorm2d,
    "GN": lambda channels: nn.GroupNorm(32, channels),
    "LN": LayerNorm,
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
