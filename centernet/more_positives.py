"""Positive cells beyond the centres: neighbours that already regress the object well.

Shapes: N boxes of one image, L levels, K = 9 cells around a centre, P positive cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances
from torch import Tensor

from centernet.targets import CellIndex, TargetParams, center_cells, half_diagonals_in_range

# Column and row offsets of a 3x3 neighbourhood, row by row; the centre is entry 4.
_NEIGHBOURS_XY = tuple((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1))
_CENTER = 4


@dataclass(frozen=True)
class MorePositivesParams:
    """Which neighbours count."""

    max_loss: float  # regression loss below which a neighbour is positive
    topk: int  # only neighbours better than an object's k-th best

    @classmethod
    def from_config(cls, cfg) -> "MorePositivesParams | None":
        """Return the parameters, or None where only centres are positive."""
        node = cfg.MODEL.CENTERNET
        return cls(node.MORE_POS_THRESH, node.MORE_POS_TOPK) if node.MORE_POS else None


def well_regressed_cells(
    pred_ltrb: Tensor,
    gt_instances: Sequence[Instances],
    shapes_hw: Tensor,
    targets: TargetParams,
    params: MorePositivesParams,
    box_loss: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Return cells around object centres whose regression loss is low, on any level.

    The centre itself, on the levels that answer for the object's size, has loss 0.

    Args:
        pred_ltrb: (A, 4) predicted distances in strides, without gradient.
        shapes_hw: (L, 2) int64.

    Returns:
        ``(positive_inds, labels)``, both (P,) int64.
    """
    index = CellIndex(shapes_hw, len(gt_instances))
    inds, labels = [], []
    for i, instances in enumerate(gt_instances):
        cells, ltrb, valid, is_center = _neighbourhoods(instances, shapes_hw, targets)
        numbers = index(i, cells.transpose(1, 2)).transpose(1, 2)  # (N, L, K)
        loss = pred_ltrb.new_full(valid.shape, float("inf"))
        loss[valid] = box_loss(pred_ltrb[numbers[valid]], ltrb[valid])
        loss[..., _CENTER] = loss[..., _CENTER].masked_fill(is_center, 0)
        limit = torch.full_like(loss[:, 0, 0], params.max_loss)
        if len(loss):
            limit = limit.minimum(loss.flatten(1).kthvalue(params.topk, dim=1).values)
        positive = loss < limit[:, None, None]
        inds.append(numbers[positive])
        labels.append(instances.gt_classes[:, None, None].expand_as(positive)[positive])
    return torch.cat(inds), torch.cat(labels)


def _neighbourhoods(
    instances: Instances, shapes_hw: Tensor, params: TargetParams
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what surrounds the centre of each box of an image on each level.

    Returns:
        ``cells`` (N, L, K, 2) columns and rows, ``ltrb`` (N, L, K, 4) targets in strides,
        ``valid`` (N, L, K): inside the map and the box, ``is_center`` (N, L): the level answers
        for the box.
    """
    boxes = instances.gt_boxes.tensor
    strides = boxes.new_tensor(params.strides_px)
    offsets = torch.tensor(_NEIGHBOURS_XY, device=boxes.device)
    cells = center_cells(boxes, strides)[:, :, None] + offsets  # (N, L, K, 2)
    stride = strides[:, None, None]  # (L, 1, 1)
    grid = cells * stride + stride // 2
    corners = boxes[:, None, None]
    ltrb = torch.cat([grid - corners[..., :2], corners[..., 2:] - grid], dim=3) / stride
    inside_map = ((cells >= 0) & (cells < shapes_hw.flip(1)[:, None])).all(dim=3)
    valid = inside_map & (ltrb.amin(dim=3) >= 0)
    answers = half_diagonals_in_range(
        (boxes[:, 2:] - boxes[:, :2])[:, None], boxes.new_tensor(params.size_ranges_px)
    )
    return cells, ltrb, valid, answers & valid[..., _CENTER]
