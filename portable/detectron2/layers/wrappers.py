"""Thin layers over torch's: a convolution that carries its norm, and operations on empty inputs."""

import torch
import torch.nn.functional as F
from torch import nn

BatchNorm2d = nn.BatchNorm2d
ConvTranspose2d = nn.ConvTranspose2d
Linear = nn.Linear
interpolate = F.interpolate


class Conv2d(nn.Conv2d):
    """A convolution, then optionally a normalisation layer and an activation.

    The state dict has `weight`, `bias` and the tensors of the norm under `norm.`.
    """

    def __init__(self, *args, norm: nn.Module | None = None, activation=None, **kwargs):
        """Further arguments are those of `torch.nn.Conv2d`."""
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map (B, C_out, H_out, W_out) of `x` (B, C_in, H, W)."""
        x = super().forward(x)
        if self.norm is not None:
            x = self.norm(x)
        if self.activation is not None:
            x = self.activation(x)
        return x


def cat(tensors: list[torch.Tensor], dim: int = 0) -> torch.Tensor:
    """Return the concatenation of `tensors`; a single tensor is returned without a copy."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def empty_input_loss_func_wrapper(loss_func):
    """Return `loss_func(input, target, *, reduction="mean", **kwargs)`, 0 for a mean over no rows."""

    def loss(input, target, *, reduction="mean", **kwargs):
        if target.numel() == 0 and reduction == "mean":
            return input.sum() * 0.0
        return loss_func(input, target, reduction=reduction, **kwargs)

    return loss


cross_entropy = empty_input_loss_func_wrapper(F.cross_entropy)


def shapes_to_tensor(x: list[int], device: torch.device | None = None) -> torch.Tensor:
    """Return numbers, such as the sides of an image, as a tensor."""
    return torch.as_tensor(x, device=device)


def move_device_like(src: torch.Tensor, dst: torch.Tensor) -> torch.Tensor:
    """Return `src` on the device of `dst`."""
    return src.to(dst.device)


def nonzero_tuple(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the indices of the nonzero elements, one tensor per dimension."""
    return x.nonzero(as_tuple=True)
