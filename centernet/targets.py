"""What each cell of the feature maps should predict.

Shapes: B images, L levels, M cells of one image over all levels, A = B * M cells of the
batch, N boxes of one image, P positive cells, K heat map channels.

Cells of a batch are ordered by level, then image, then row and column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from detectron2.structures import Instances
from torch import Tensor

from centernet.heatmap import render_heatmap, scaled_distances, squared_radii
from centernet.rows import rows_where

# Regression target of a cell without an object (before the division by the stride).
NO_OBJECT = -1e8


@dataclass(frozen=True)
class TargetParams:
    """How objects are assigned to cells."""

    strides_px: tuple[int, ...]  # one per level
    size_ranges_px: tuple[tuple[float, float], ...]  # half box diagonals of a level, inclusive
    min_overlap: float = 0.8  # overlap that defines the Gaussian radius
    min_radius_px: float = 4.0
    clamp_centers: bool = False  # boxes may leave the image

    @classmethod
    def from_config(cls, cfg) -> "TargetParams":
        node = cfg.MODEL.CENTERNET
        return cls(
            strides_px=tuple(node.FPN_STRIDES),
            size_ranges_px=tuple(tuple(r) for r in node.SOI[: len(node.IN_FEATURES)]),
            min_overlap=node.HM_MIN_OVERLAP,
            min_radius_px=node.MIN_RADIUS,
            clamp_centers=cfg.INPUT.NOT_CLAMP_BOX,
        )


class CenterNetTargets(NamedTuple):
    """Targets of a batch."""

    positive_inds: Tensor  # (P,) int64 into the A cells; an object may occur on two levels
    labels: Tensor  # (P,) int64 class of each positive
    ltrb: Tensor  # (A, 4) distances to the box sides in strides; very negative: no object
    heatmap: Tensor  # (A, K) in [0, 1]

    @property
    def has_object(self) -> Tensor:
        """Whether each cell regresses a box, (A,) bool."""
        return _has_object(self.ltrb)


def _has_object(ltrb: Tensor) -> Tensor:
    return ltrb.amax(dim=1) >= 0


def compute_grids(
    shapes_hw: Sequence[tuple[int, int]], strides_px: Sequence[int], device: torch.device
) -> list[Tensor]:
    """Return the image coordinates of all cell centres, row by row.

    Cell (x, y) of stride s looks at pixel ``(x * s + s // 2, y * s + s // 2)``.

    Returns:
        L tensors of shape (H_l * W_l, 2): x, y in pixels, float32.
    """
    grids = []
    for (height, width), stride in zip(shapes_hw, strides_px, strict=True):
        ys = torch.arange(height, dtype=torch.float32, device=device) * stride + stride // 2
        xs = torch.arange(width, dtype=torch.float32, device=device) * stride + stride // 2
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        grids.append(torch.stack([x, y], dim=2).reshape(-1, 2))
    return grids


def box_centers(boxes_xyxy: Tensor) -> Tensor:
    """Return the centres (N, 2) of boxes (N, 4)."""
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2


def half_diagonals_in_range(sides: Tensor, size_ranges: Tensor) -> Tensor:
    """Return whether half the diagonal of ``sides`` (..., 2) lies in ``size_ranges`` (..., 2)."""
    half = sides.square().sum(dim=-1).sqrt() / 2
    return (half >= size_ranges[..., 0]) & (half <= size_ranges[..., 1])


class CellIndex:
    """The numbers of a batch's cells: by level, then image, then row, then column."""

    def __init__(self, shapes_hw: Tensor, num_images: int):
        """``shapes_hw``: (L, 2) int64 height and width of each feature map."""
        self.shapes_hw = shapes_hw
        self._cells_per_image = shapes_hw.prod(dim=1)  # (L,)
        cells_per_level = self._cells_per_image * num_images
        self._level_start = cells_per_level.cumsum(0) - cells_per_level

    def __call__(self, image: int | Tensor, cells_xy: Tensor) -> Tensor:
        """Return the numbers (..., L) of the cells ``cells_xy`` (..., L, 2).

        ``image`` is one for all cells, or (..., 1) int64 one for each.
        """
        start = self._level_start + image * self._cells_per_image
        return start + cells_xy[..., 1] * self.shapes_hw[:, 1] + cells_xy[..., 0]


def center_cells(boxes_xyxy: Tensor, strides_px: Tensor) -> Tensor:
    """Return the column and row (N, L, 2) of the cell each box centre falls into, per level."""
    centers = box_centers(boxes_xyxy)
    return (centers[:, None] / strides_px[:, None]).long()


def positive_cells(
    gt_instances: Sequence[Instances], shapes_hw: Tensor, params: TargetParams
) -> tuple[Tensor, Tensor]:
    """Return the cells at object centres, on every level that answers for the object's size.

    Args:
        gt_instances: B images with ``gt_boxes`` and ``gt_classes``.
        shapes_hw: (L, 2) int64.

    Returns:
        ``(positive_inds, labels)``, both (P,) int64. Two objects in one cell count twice.
    """
    cells, labels, answers = _center_cells(gt_instances, shapes_hw, params)
    (chosen,) = rows_where([answers])
    return cells[chosen], labels[chosen]


def batch_targets(
    grids: Sequence[Tensor],
    gt_instances: Sequence[Instances],
    shapes_hw: Tensor,
    num_channels: int,
    params: TargetParams,
) -> tuple[CenterNetTargets, Tensor]:
    """Return the targets of a batch and the cells that regress a box, waiting for a GPU once.

    Args:
        grids: L tensors (M_l, 2) from :func:`compute_grids`.
        gt_instances: B images with ``gt_boxes`` and ``gt_classes``.
        shapes_hw: (L, 2) int64.
        num_channels: K; with 1, all objects share the channel.

    Returns:
        The targets, and (Q,) int64 into the A cells.
    """
    cells, labels, answers = _center_cells(gt_instances, shapes_hw, params)
    ltrb, heatmap = dense_targets(grids, gt_instances, num_channels, params)
    chosen, regressed = rows_where([answers, _has_object(ltrb)])
    return CenterNetTargets(cells[chosen], labels[chosen], ltrb, heatmap), regressed


def _center_cells(
    gt_instances: Sequence[Instances], shapes_hw: Tensor, params: TargetParams
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the centres of a batch's N objects fall into on L levels.

    Returns:
        The numbers of the cells, the classes of the objects, and whether the level answers for the
        object's size, all (N * L,).
    """
    strides, size_ranges = _level_tensors(params, shapes_hw.device)
    boxes = torch.cat([g.gt_boxes.tensor for g in gt_instances])
    labels = torch.cat([g.gt_classes for g in gt_instances])
    images = torch.cat([torch.full_like(g.gt_classes, i) for i, g in enumerate(gt_instances)])
    answers = half_diagonals_in_range((boxes[:, 2:] - boxes[:, :2])[:, None], size_ranges)  # (N, L)
    if params.clamp_centers:
        boxes = torch.cat(
            [_centers_as_boxes(g.gt_boxes.tensor, g.image_size) for g in gt_instances]
        )
    index = CellIndex(shapes_hw, len(gt_instances))
    cells = index(images[:, None], center_cells(boxes, strides))
    return cells.flatten(), labels[:, None].expand_as(answers).flatten(), answers.flatten()


def excluded_cells(
    grids: Sequence[Tensor], boxes_xyxy: Sequence[Tensor], params: TargetParams
) -> Tensor:
    """Return which cells look into a box, or have the centre of one, (A,) bool.

    Args:
        grids: L tensors (M_l, 2) from :func:`compute_grids`.
        boxes_xyxy: B tensors (Z, 4) in pixels.
    """
    cells_per_level = tuple(len(grid) for grid in grids)
    xy = torch.cat(list(grids))[:, None]  # (M, 1, 2)
    stride, _ = _of_cells(cells_per_level, params, xy.device)
    per_image = []
    for boxes in boxes_xyxy:
        looks_into = ((xy >= boxes[:, :2]) & (xy <= boxes[:, 2:])).all(dim=2)  # (M, Z)
        has_center = ((xy - box_centers(boxes)).abs() <= stride[:, :, None] / 2).all(dim=2)
        per_image.append((looks_into | has_center).any(dim=1))
    return _level_first(per_image, cells_per_level)


def dense_targets(
    grids: Sequence[Tensor],
    gt_instances: Sequence[Instances],
    num_channels: int,
    params: TargetParams,
) -> tuple[Tensor, Tensor]:
    """Return regression targets and heat maps of every cell.

    Args:
        grids: L tensors (M_l, 2) from :func:`compute_grids`.
        num_channels: K; with 1, all objects share the channel.

    Returns:
        ``ltrb`` (A, 4) in strides and ``heatmap`` (A, K).
    """
    cells_per_level = tuple(len(grid) for grid in grids)
    cells = _Cells(torch.cat(list(grids)), *_of_cells(cells_per_level, params, grids[0].device))
    per_image = [_image_targets(cells, g, num_channels, params) for g in gt_instances]
    ltrb, heat = zip(*per_image, strict=True)
    return _level_first(ltrb, cells_per_level), _level_first(heat, cells_per_level)


class _Cells(NamedTuple):
    """The cells of one image over all levels."""

    xy: Tensor  # (M, 2) pixels they look at
    stride: Tensor  # (M, 1) pixels
    size_range: Tensor  # (M, 2) half box diagonals that their level answers for, pixels


def _image_targets(
    cells: _Cells, instances: Instances, num_channels: int, params: TargetParams
) -> tuple[Tensor, Tensor]:
    """Return ``ltrb`` (M, 4) in strides and ``heatmap`` (M, K) of one image."""
    grid, stride, size_range = cells
    boxes = instances.gt_boxes.tensor
    if len(boxes) == 0:
        return grid.new_full((len(grid), 4), NO_OBJECT) / stride, grid.new_zeros(
            len(grid), num_channels
        )

    centers = box_centers(boxes)
    snapped = (centers / stride[:, :, None]).trunc() * stride[:, :, None] + (
        stride[:, :, None] / 2
    )  # (M, N, 2)
    radii2 = squared_radii(boxes, params.min_overlap, params.min_radius_px)
    distances = scaled_distances(grid, centers, snapped, radii2)  # (M, N)

    classes = instances.gt_classes if num_channels > 1 else torch.zeros_like(instances.gt_classes)
    heat = render_heatmap(distances, classes, num_channels)
    ltrb = torch.cat([grid[:, None] - boxes[:, :2], boxes[:, 2:] - grid[:, None]], dim=2)
    regresses = (
        ((grid[:, None] - snapped).abs() <= stride[:, :, None]).all(dim=2)  # the 3x3 cells
        & (ltrb.amin(dim=2) > 0)
        & half_diagonals_in_range(ltrb[..., :2] + ltrb[..., 2:], size_range[:, None])
    )  # (M, N)
    return _nearest_object(ltrb, distances, regresses) / stride, heat


def _nearest_object(ltrb: Tensor, distances: Tensor, regresses: Tensor) -> Tensor:
    """Return the (M, 4) targets of the nearest object a cell may regress, else NO_OBJECT."""
    nearest, index = distances.masked_fill(~regresses, float("inf")).min(dim=1)
    chosen = ltrb[torch.arange(len(ltrb), device=ltrb.device), index]
    return chosen.masked_fill(nearest.isinf()[:, None], NO_OBJECT)


# Kept, because a GPU is waited for when numbers are copied to it. Nobody may change them.
@lru_cache(maxsize=16)
def _level_tensors(params: TargetParams, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return strides (L,) and size ranges (L, 2) as float32 tensors."""
    strides = torch.tensor(params.strides_px, dtype=torch.float32, device=device)
    ranges = torch.tensor(params.size_ranges_px, dtype=torch.float32, device=device)
    return strides, ranges


@lru_cache(maxsize=32)
def _of_cells(
    cells_per_level: tuple[int, ...], params: TargetParams, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the stride (M, 1) and the size range (M, 2) of each cell's level, pixels."""
    strides, ranges = _level_tensors(params, device)
    counts = torch.tensor(cells_per_level, device=device)
    of_level = torch.arange(len(strides), device=device)
    level = of_level.repeat_interleave(counts, output_size=sum(cells_per_level))  # (M,)
    return strides[level][:, None], ranges[level]


def _centers_as_boxes(boxes_xyxy: Tensor, image_size_hw: tuple[int, int]) -> Tensor:
    """Return degenerate boxes at the centres, moved onto the image's pixels."""
    height, width = image_size_hw
    x, y = box_centers(boxes_xyxy).unbind(dim=1)
    x, y = x.clamp(min=0, max=width - 1), y.clamp(min=0, max=height - 1)
    return torch.stack([x, y, x, y], dim=1)


def _level_first(per_image: Sequence[Tensor], cells_per_level: Sequence[int]) -> Tensor:
    """Return image-major (M, ...) tensors as one level-major (A, ...) tensor."""
    by_level = zip(*(t.split(list(cells_per_level)) for t in per_image), strict=True)
    return torch.cat([cells for level in by_level for cells in level])
