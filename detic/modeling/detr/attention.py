"""Attention to a few points of each feature level, whose places depend on the query.

Shapes: B images, S cells of all L levels, N queries, M heads, P points of a head on a level,
F channels of a head, d = M * F width of the model.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from detic.modeling.detr.levels import TokenLevels

NUM_POINTS = 4  # P of all released models
_MAX_SAMPLED = 2**24  # numbers that are sampled at a time, 64 MiB in float32


def deformable_attention(
    values: Tensor, shapes_hw: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Return the weighted sums of values sampled at locations, (B, N, M * F).

    Values are interpolated bilinearly between the centres of cells and are 0 outside the map.

    Memory is bounded: levels are sampled one after the other, and for so many queries at a time
    that at most 64 MiB are sampled, then summed over points at once. What is sampled does not stay
    for the backward pass, which samples again, unless all of it fits into that bound.

    Args:
        values: (B, S, M, F), the cells of each level row by row.
        shapes_hw: of the L maps, cells.
        locations: (B, N, M, L, P, 2) as (x, y), from 0 to 1 across the padded map.
        weights: (B, N, M, L, P).

    Source: Zhu et al., Deformable DETR, arXiv 2010.04159, equation 3.
    """
    num_queries, num_points = locations.shape[1], locations.shape[4]
    per_query = values[:, 0].numel() * num_points  # numbers sampled on a level
    chunk = max(1, _MAX_SAMPLED // per_query)
    keep = num_queries * len(shapes_hw) <= chunk
    flat = [
        x.flatten(2).transpose(1, 2) for x in values.split([h * w for h, w in shapes_hw], dim=1)
    ]  # (B, M * F, H * W)
    maps = [
        x.reshape(-1, values.shape[3], *shape) for x, shape in zip(flat, shapes_hw, strict=True)
    ]  # (B * M, F, H, W)
    sums = []  # (B * M, F, n) each
    for start in range(0, num_queries, chunk):
        chosen = slice(start, start + chunk)
        of_levels: Any = (
            _sampled_sum(x, locations[:, chosen, :, level], weights[:, chosen, :, level], keep)
            for level, x in enumerate(maps)
        )
        sums.append(sum(of_levels))
    joined = torch.cat(sums, dim=2)
    return joined.reshape(len(values), -1, num_queries).transpose(1, 2)


def _sampled_sum(values: Tensor, locations: Tensor, weights: Tensor, keep: bool) -> Tensor:
    """Return the weighted sums (B * M, F, n) of one level's values at n queries' points.

    Args:
        values: (B * M, F, H, W).
        locations, weights: (B, n, M, P, 2) and (B, n, M, P).
        keep: what was sampled, for the backward pass.
    """
    locations = locations.transpose(1, 2).flatten(0, 1)  # (B * M, n, P, 2)
    weights = weights.transpose(1, 2).flatten(0, 1)  # (B * M, n, P)
    if keep or not torch.is_grad_enabled():
        return _sample_and_sum(values, locations, weights)
    return checkpoint(
        _sample_and_sum,
        *(values, locations, weights),
        use_reentrant=False,
        preserve_rng_state=False,
    )


def _sample_and_sum(values: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    sampled = F.grid_sample(
        values, 2 * locations - 1, mode="bilinear", padding_mode="zeros", align_corners=False
    )  # (B * M, F, n, P)
    return (sampled * weights[:, None]).sum(dim=3)


class DeformableAttention(nn.Module):
    """Attention of queries to points around their reference points or boxes.

    Args:
        width: d.
        num_heads: M.
        num_levels: L.
    """

    def __init__(self, width: int, num_heads: int, num_levels: int):
        super().__init__()
        self.layout = (num_heads, num_levels, NUM_POINTS)  # of the linear layers' outputs
        num_samples = math.prod(self.layout)
        self.sampling_offsets = nn.Linear(width, 2 * num_samples)
        self.attention_weights = nn.Linear(width, num_samples)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Look equally at points on rays from the reference, a direction per head."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.attention_weights.bias)
        self.sampling_offsets.bias.copy_(_rays(*self.layout).flatten())
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, references: Tensor, levels: TokenLevels) -> Tensor:
        """Return what each query gathers, (B, N, d).

        Places are sampled in float32 at least, also under automatic mixed precision.

        Args:
            queries: (B, N, d), positions added.
            references: (B, N, L, 2) points, or (B, N, L, 4) boxes as centre and size; from 0 to 1
                across the padded map of each level.
            levels: whose tokens are the values; their positions do not count.
        """
        num_heads, num_levels, num_points = self.layout
        values = self.value_proj(levels.tokens).masked_fill(levels.padding[..., None], 0)
        offsets = self.sampling_offsets(queries).unflatten(-1, (*self.layout, 2))
        weights = self.attention_weights(queries).unflatten(-1, (num_heads, -1)).softmax(dim=-1)
        with torch.autocast(queries.device.type, enabled=False):
            gathered = deformable_attention(
                at_least_float32(values).unflatten(-1, (num_heads, -1)),
                levels.shapes_hw,
                _locations(at_least_float32(offsets), references, levels.sizes_wh),
                at_least_float32(weights).unflatten(-1, (num_levels, num_points)),
            )
        return self.output_proj(gathered)


def at_least_float32(x: Tensor) -> Tensor:
    """Return a tensor of half precision in float32, others as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _locations(offsets: Tensor, references: Tensor, sizes_wh: Tensor) -> Tensor:
    """Return the places (B, N, M, L, P, 2) at ``offsets`` from ``references`` (B, N, L, 2 or 4).

    ``sizes_wh`` (L, 2) are those of the maps, cells.

    Offsets from a point are in cells, those from the centre of a box in halves of its sides
    divided by P.
    """
    references = references[:, :, None, :, None]
    centres, sizes = references[..., :2], references[..., 2:]
    if sizes.shape[-1]:
        return centres + offsets / NUM_POINTS * sizes * 0.5
    return centres + offsets / sizes_wh[:, None]


def _rays(num_heads: int, num_levels: int, num_points: int) -> Tensor:
    """Return offsets (M, L, P, 2): of head m at the angle 2 pi m / M, at distances 1 to P."""
    angles = torch.arange(num_heads) * (2 * math.pi / num_heads)
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    directions = directions / directions.abs().amax(dim=-1, keepdim=True)
    distances = torch.arange(1, num_points + 1)
    rays = directions[:, None, None] * distances[:, None]  # (M, 1, P, 2)
    return rays.expand(-1, num_levels, -1, -1)
