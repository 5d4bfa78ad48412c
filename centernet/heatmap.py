"""Gaussian heat maps around object centres.

Shapes: M cells, N boxes, K heat map channels.
"""

import torch
from torch import Tensor

# A Gaussian below this is background: its tail would only soften the negatives far away.
_NEGLIGIBLE_HEAT = 1e-4


def squared_radii(boxes_xyxy: Tensor, min_overlap: float, min_radius_px: float) -> Tensor:
    """Return the squared Gaussian radius of each box.

    Let ``delta = (1 - o) / (1 + o)``. A box whose two corners move by ``delta * side`` overlaps
    itself by about ``o``.

    Args:
        boxes_xyxy: (N, 4) in pixels.
        min_overlap: ``o`` in (0, 1).
        min_radius_px: smallest radius, in pixels.

    Returns:
        (N,) ``max(2 delta^2 area, min_radius^2)`` in square pixels.

    >>> squared_radii(torch.tensor([[0.0, 0.0, 90.0, 90.0]]), 0.8, 4.0)
    tensor([200.])
    """
    delta = (1 - min_overlap) / (1 + min_overlap)
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return (2 * delta**2 * sides.prod(dim=1)).clamp(min=min_radius_px**2)


def scaled_distances(
    grid_xy: Tensor, centers_xy: Tensor, snapped_xy: Tensor, radii2: Tensor
) -> Tensor:
    """Return squared distances to the object centres in units of their Gaussian radii.

    The cell a centre falls into counts as the centre itself, so that every object has a peak.

    Args:
        grid_xy: (M, 2) cell centres in pixels.
        centers_xy: (N, 2) box centres in pixels.
        snapped_xy: (M, N, 2) the cell centre next to each box centre, on the level of each cell.
        radii2: (N,) squared radii in square pixels.

    Returns:
        (M, N) squared distance over squared radius.
    """
    distances2 = (grid_xy[:, None] - centers_xy).square().sum(dim=2)  # (M, N)
    is_peak = (grid_xy[:, None] == snapped_xy).all(dim=2)
    return distances2.masked_fill(is_peak, 0) / radii2


def render_heatmap(distances: Tensor, classes: Tensor, num_channels: int) -> Tensor:
    """Return the heat of each cell: ``exp(-distance)`` to the nearest object of each channel.

    Args:
        distances: (M, N) from :func:`scaled_distances`.
        classes: (N,) int64 channel of each object in ``[0, num_channels)``.
        num_channels: K.

    Returns:
        (M, K) in [0, 1]; 1 at centres, 0 where negligible or without objects.
    """
    nearest = distances.new_full((len(distances), num_channels), float("inf"))
    index = classes.expand_as(distances)  # (M, N)
    nearest = nearest.scatter_reduce(1, index, distances, reduce="amin")
    heat = torch.exp(-nearest)
    return heat.masked_fill(heat < _NEGLIGIBLE_HEAT, 0)
