"""RoIAlign as a product with a sparse matrix, the fast form on a CPU.

An output bin is the mean of its samples, and a sample mixes four cells. So a bin is a weighted sum
of the cells of a window, whose weights are products of a row's and a column's. torchvision's kernel
visits every sample instead, and differentiates on one thread.

Shapes: L levels of a pyramid, B images, N boxes, C channels, H x W feature map, P x Q output grid,
M cells of all maps, K bins of an axis (N * P or N * Q), E entries of the matrix.

Source: He et al., Mask R-CNN, section 3; half-pixel alignment as in Detectron2's ROIAlignV2.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from detectron2.layers._ragged import expand_groups, group_starts
from detectron2.layers.wrappers import cat
from torch.autograd.function import once_differentiable

# With fewer channels the matrix takes more time than it saves.
_MIN_CHANNELS = 32


def pools_by_cells(features: torch.Tensor) -> bool:
    """Return whether `roi_align_by_cells` is the fastest form for maps (B, C, H, W).

    A graph for other programs has torchvision's operator, which they know.
    """
    on_cpu = features.device.type == "cpu" and not torch.compiler.is_compiling()
    return on_cpu and features.shape[1] >= _MIN_CHANNELS


def in_sufficient_precision(features: torch.Tensor) -> torch.Tensor:
    """Return features in single precision if they have half, which cannot hold coordinates."""
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


def roi_align_by_cells(
    maps: Sequence[torch.Tensor],
    scales: Sequence[float],
    rois: torch.Tensor,
    levels: torch.Tensor,
    output_size: tuple[int, int],
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> torch.Tensor:
    """Return the features of boxes, each of one level, (N, C, P, Q), channels last in memory.

    Args:
        maps: L maps (B, C, H, W); those with channels last are not copied for the product.
        scales: feature cells per unit of the box coordinates, of each level.
        rois: (N, 5) rows (image index, x0, y0, x1, y1).
        levels: (N,) int64.
        sampling_ratio, aligned: see `ROIAlign`.
    """
    cells = cat([x.permute(0, 2, 3, 1).flatten(end_dim=2) for x in maps])  # (M, C)
    precise = in_sufficient_precision(cells)
    rois = rois.to(dtype=precise.dtype)
    sizes_hw = torch.tensor([x.shape[2:] for x in maps])  # (L, 2)
    cells_per_image = sizes_hw.prod(dim=1)
    level_start = len(maps[0]) * (cells_per_image.cumsum(0) - cells_per_image)
    first_cells = level_start[levels] + rois[:, 0].long() * cells_per_image[levels]
    heights, widths = sizes_hw[levels].unbind(dim=1)

    corners = rois[:, 1:].detach() * rois.new_tensor(scales)[levels, None]
    corners = corners - (0.5 if aligned else 0.0)
    sampling = sampling_ratio, 0.0 if aligned else 1.0
    rows = _axis_samples(corners[:, 1::2], heights, output_size[0], *sampling)
    columns = _axis_samples(corners[:, 0::2], widths, output_size[1], *sampling)
    matrix = _bin_windows(_axis_windows(rows), _axis_windows(columns), first_cells, widths)
    pooled = _WeightedSums.apply(precise, *matrix)
    pooled = pooled.to(dtype=cells.dtype)
    return pooled.view(len(rois), *output_size, cells.shape[1]).permute(0, 3, 1, 2)


class _Samples(NamedTuple):
    """The S samples of an axis, bin after bin. Each lies between two cells, or on one."""

    count: torch.Tensor  # (N, P) int64 of each bin, 0 for boxes without extent
    bin: torch.Tensor  # (S,) int64 among the N * P
    cells: torch.Tensor  # (2, S) int64 the lower and the upper cell
    weights: torch.Tensor  # (2, S) of the two cells in the mean of the bin's samples


class _Windows(NamedTuple):
    """The cells of an axis that the bins of each box cover, and how much they weigh."""

    first: torch.Tensor  # (N, P) int64 cell
    count: torch.Tensor  # (N, P) int64 cells, 0 for boxes without extent
    start: torch.Tensor  # (N, P) int64 place of the first cell's weight
    weights: torch.Tensor  # of all cells of all windows


def _axis_samples(
    bounds: torch.Tensor, sizes: torch.Tensor, num_bins: int, sampling_ratio: int, min_side: float
) -> _Samples:
    """Return the samples in `num_bins` equal parts of intervals.

    Args:
        bounds: (N, 2) first and last coordinate, cell centres at integers.
        sizes: (N,) cells of the map along the axis.
        sampling_ratio: samples of a bin; 0: one per cell.
        min_side: shorter intervals are lengthened to this.
    """
    start, end = bounds.unbind(dim=1)
    side = (end - start).clamp(min=min_side) / num_bins  # of a bin
    per_bin = side.ceil() if sampling_ratio == 0 else torch.full_like(side, sampling_ratio)
    per_bin = per_bin.where(side.isfinite(), 0)
    count = per_bin.long()[:, None].repeat(1, num_bins)
    bin_of, place = expand_groups(count)
    box = bin_of // num_bins
    side, per_bin, last_cell = side[box], per_bin[box], sizes[box] - 1
    position = start[box] + (bin_of % num_bins) * side + (place + 0.5) * side / per_bin
    weight = ((position >= -1) & (position <= last_cell + 1)) / per_bin
    position = position.clamp(min=0).minimum(last_cell)
    lower = position.long()
    upper_weight = weight * (position - lower)
    cells = torch.stack([lower, (lower + 1).minimum(last_cell)])
    return _Samples(count, bin_of, cells, torch.stack([weight - upper_weight, upper_weight]))


def _axis_windows(samples: _Samples) -> _Windows:
    """Return the windows of the bins: from the lower cell of the first sample on."""
    first_sample = group_starts(samples.count)
    lower, upper = F.pad(samples.cells, (0, 1))  # bins without samples look at the end
    first, last = lower[first_sample], upper[first_sample + samples.count - 1]
    count = (last - first + 1).where(samples.count > 0, 0)
    start = group_starts(count)
    places = samples.cells + (start - first).flatten()[samples.bin]
    weights = samples.weights.new_zeros(int(count.sum()))
    weights.index_add_(0, places.flatten(), samples.weights.flatten())
    return _Windows(first, count, start, weights)


def _bin_windows(
    rows: _Windows, columns: _Windows, first_cells: torch.Tensor, widths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the sparse matrix (N * P * Q, M): cells (E,), starts (N * P * Q + 1,), weights (E,).

    Args:
        first_cells, widths: (N,) int64 number of the map's first cell, and cells of its rows.
    """
    num_rows, num_columns = rows.count.shape[1], columns.count.shape[1]
    lines = rows.count[:, :, None].expand(-1, -1, num_columns)
    bin_of, dy = expand_groups(lines)  # of each line: the cells of a window that are in one row
    box_of = bin_of // (num_rows * num_columns)
    row_of = bin_of // num_columns
    column_of = box_of * num_columns + bin_of % num_columns
    row = rows.first.flatten()[row_of] + dy
    first = first_cells[box_of] + row * widths[box_of] + columns.first.flatten()[column_of]
    row_weights = rows.weights[rows.start.flatten()[row_of] + dy]

    line_of, dx = expand_groups(columns.count.flatten()[column_of])
    column_weights = columns.weights[columns.start.flatten()[column_of][line_of] + dx]
    counts = (lines * columns.count[:, None, :]).flatten()
    starts = F.pad(counts.cumsum(0), (1, 0))
    return first[line_of] + dx, starts, row_weights[line_of] * column_weights


class _WeightedSums(torch.autograd.Function):
    """The product of a sparse matrix and a dense one."""

    @staticmethod
    def forward(ctx, values, columns, starts, weights):
        """Return (rows, C): the sums of `values` (M, C) in `columns` (E,) times `weights` (E,).

        Row i has the entries from `starts[i]` to `starts[i + 1]`.
        """
        ctx.save_for_backward(columns, starts, weights)
        ctx.num_values = len(values)
        return _weighted_sums(values, columns, starts, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        columns, starts, weights = ctx.saved_tensors
        order = columns.argsort()
        rows = torch.repeat_interleave(starts.diff())[order]
        counts = columns.bincount(minlength=ctx.num_values)
        starts = F.pad(counts.cumsum(0), (1, 0))
        return _weighted_sums(gradient, rows, starts, weights[order]), None, None, None


def _weighted_sums(values, columns, starts, weights) -> torch.Tensor:
    return F.embedding_bag(
        columns,
        values.detach().contiguous(),
        starts,
        mode="sum",
        per_sample_weights=weights,
        include_last_offset=True,
    )
