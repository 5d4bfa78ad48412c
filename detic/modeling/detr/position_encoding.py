"""Positions as sines and cosines of many wavelengths.

Shapes: B images, H x W cells of a feature map, d width of the model.
"""

import math

import torch
from torch import Tensor, nn

_TURN = 2 * math.pi
_LONGEST = 10000.0  # ratio of the longest wavelength to the shortest


def sinusoids(angles: Tensor, width: int) -> Tensor:
    """Return sines (even channels) and cosines (odd ones) of angles (...) as (..., width), even.

    Channels 2k and 2k + 1 have the angle divided by ``10000 ** (2k / width)``.

    Source: Vaswani et al., arXiv 1706.03762, section 3.5.
    """
    channel = torch.arange(width, device=angles.device)
    phases = angles[..., None] / _LONGEST ** (2 * (channel // 2) / width)
    return torch.stack([phases[..., ::2].sin(), phases[..., 1::2].cos()], dim=-1).flatten(-2)


def encode_boxes(boxes: Tensor, width: int) -> Tensor:
    """Return the sinusoids of the four numbers of boxes in [0, 1], (..., 4) to (..., 2 * width)."""
    return sinusoids(boxes * _TURN, width // 2).flatten(-2)


class PositionEncoding(nn.Module):
    """Positions of the cells of a map relative to the image without its padding.

    Args:
        width: d.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, padding: Tensor) -> Tensor:
        """Return (B, H * W, d): the vertical position in the first half, the horizontal one after.

        Args:
            padding: (B, H, W) bool, True where there is no image.
        """
        valid = ~padding
        halves = [
            sinusoids(_angles(valid.cumsum(dim, dtype=torch.float32), dim), self.width // 2)
            for dim in (1, 2)
        ]
        return torch.cat(halves, dim=-1).flatten(1, 2)


def _angles(counts: Tensor, dim: int) -> Tensor:
    """Return running counts 1, 2, ... along ``dim`` as angles from 0 to 2 pi.

    Padded cells have the last count. Of a row or column that is all padding the count is 0.
    """
    last = counts.narrow(dim, counts.shape[dim] - 1, 1)
    return (counts - 0.5) / (last + 1e-6) * _TURN
