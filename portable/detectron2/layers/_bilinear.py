"""Bilinear sampling on axis-aligned grids as products with small matrices.

A sample of a map at (y, x) is a weighted sum over rows and columns whose weights factorise. So a
grid of P x Q samples is R @ map @ C.T with matrices R (P, H) and C (Q, W).
"""

import torch


def bilinear_weights(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Return the weights of `size` cells in samples at `positions`, (..., size) float32.

    Cell i has its centre at position i. A sample between two centres mixes both, beyond the first
    or last it fades to zero within one cell.

    >>> bilinear_weights(torch.tensor([1.0, 1.75, -0.5]), 3)
    tensor([[0.0000, 1.0000, 0.0000],
            [0.0000, 0.2500, 0.7500],
            [0.5000, 0.0000, 0.0000]])
    """
    cells = torch.arange(size, device=positions.device, dtype=positions.dtype)
    return (1 - (positions[..., None] - cells).abs()).clamp(min=0)
