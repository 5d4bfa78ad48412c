"""Attention to a few points of each feature level, whose places depend on the query.

Shapes: B images, S cells of all L levels, N queries, M heads, P points of a head on a level,
F channels of a head, d = M * F width of the model.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

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

    Memory is bounded: values are sampled for so many queries at a time that they take at most 64
    MiB, and are summed at once. If there are several such chunks, what is sampled does not stay for
    the backward pass either, which samples again.

    Args:
        values: (B, S, M, F), the cells of each level row by row.
        shapes_hw: of the L maps, cells.
        locations: (B, N, M, L, P, 2) as (x, y), from 0 to 1 across the padded map.
        weights: (B, N, M, L, P).

    Source: Zhu et al., Deformable DETR, arXiv 2010.04159, equation 3.
    """
    num_queries = locations.shape[1]
    samples_per_query = locations.shape[3] * locations.shape[4]
    maps = _maps(values, shapes_hw)
    locations = locations.transpose(1, 2).flatten(0, 1)  # (B * M, N, L, P, 2)
    weights = weights.transpose(1, 2).flatten(0, 1)  # (B * M, N, L, P)
    if torch.compiler.is_compiling():  # a graph is made before the number of chunks is known
        return _as_queries(_sample_and_sum(locations, weights, *maps), len(values))
    chunk = max(1, _MAX_SAMPLED // (values[:, 0].numel() * samples_per_query))
    again = chunk < num_queries and torch.is_grad_enabled()
    sample: Callable[..., Tensor] = _sampled_again if again else _sample_and_sum
    sums = [
        sample(*of_chunk, *maps)
        for of_chunk in zip(locations.split(chunk, dim=1), weights.split(chunk, dim=1), strict=True)
    ]  # (B * M, F, n) each
    return _as_queries(torch.cat(sums, dim=2), len(values))


def _as_queries(sums: Tensor, batch_size: int) -> Tensor:
    """Return sums (B * M, F, N) as (B, N, M * F)."""
    return sums.reshape(batch_size, -1, sums.shape[2]).transpose(1, 2)


def _maps(values: Tensor, shapes_hw: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Return values (B, S, M, F) as L maps (B * M, F, H, W)."""
    levels = values.split([height * width for height, width in shapes_hw], dim=1)
    return [
        x.flatten(2).transpose(1, 2).reshape(-1, values.shape[3], *shape_hw)
        for x, shape_hw in zip(levels, shapes_hw, strict=True)
    ]


def _sample_and_sum(locations: Tensor, weights: Tensor, *maps: Tensor) -> Tensor:
    """Return the weighted sums (B * M, F, n) of L maps (B * M, F, H, W) at n queries' points.

    Args:
        locations, weights: (B * M, n, L, P, 2) and (B * M, n, L, P).
    """
    sampled = [
        F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        for x, grid in zip(maps, (2 * locations - 1).unbind(dim=2), strict=True)
    ]  # (B * M, F, n, P) each
    return (torch.cat(sampled, dim=3) * weights.flatten(2)[:, None]).sum(dim=3)


def _sampled_again(*args: Tensor) -> Tensor:
    """Return what :func:`_sample_and_sum` does, and compute it again in the backward pass."""
    return checkpoint(_sample_and_sum, *args, use_reentrant=False, preserve_rng_state=False)


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
        with _in_full_precision(queries.device):
            gathered = deformable_attention(
                at_least_float32(values).unflatten(-1, (num_heads, -1)),
                levels.shapes_hw,
                _locations(at_least_float32(offsets), references, levels.sizes_wh),
                at_least_float32(weights).unflatten(-1, (num_levels, num_points)),
            )
        return self.output_proj(gathered)


def _in_full_precision(device: torch.device) -> AbstractContextManager:
    if torch.compiler.is_compiling():  # graphs are made in float32, and know no such regions
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


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
