"""The loss of predicted boxes, on their offsets or on themselves.

Boxes are (x1, y1, x2, y2) in pixels. Shapes: N images, R boxes, F foreground boxes.
"""

from types import EllipsisType

import torch
from detectron2.layers import cat, ciou_loss, diou_loss
from detectron2.structures import Boxes
from fvcore.nn import giou_loss, smooth_l1_loss

_BOX_LOSSES = {"giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}


def box_regression_loss(
    box2box_transform,
    src_boxes: torch.Tensor,
    pred_deltas: torch.Tensor,
    gt_boxes: torch.Tensor,
    loss_type: str = "smooth_l1",
    smooth_l1_beta: float = 0.0,
) -> torch.Tensor:
    """Return the summed loss of deltas (F, 4) predicted for boxes (F, 4) to reach others (F, 4).

    Args:
        loss_type: "smooth_l1" compares deltas; "giou", "diou" and "ciou" compare boxes.
        smooth_l1_beta: where smooth L1 turns from quadratic to linear; 0 is L1.
    """
    if loss_type == "smooth_l1":
        gt_deltas = box2box_transform.get_deltas(src_boxes, gt_boxes)
        return smooth_l1_loss(pred_deltas, gt_deltas, beta=smooth_l1_beta, reduction="sum")
    if loss_type in _BOX_LOSSES:
        pred_boxes = box2box_transform.apply_deltas(pred_deltas, src_boxes)
        return _BOX_LOSSES[loss_type](pred_boxes, gt_boxes, reduction="sum")
    raise ValueError(
        f"unknown box regression loss {loss_type!r}; choose smooth_l1, {', '.join(_BOX_LOSSES)}"
    )


def dense_box_regression_loss(
    anchors: list[Boxes | torch.Tensor],
    box2box_transform,
    pred_anchor_deltas: list[torch.Tensor],
    gt_boxes: list[torch.Tensor],
    fg_mask: torch.Tensor | EllipsisType,
    box_reg_loss_type: str = "smooth_l1",
    smooth_l1_beta: float = 0.0,
) -> torch.Tensor:
    """Return the summed regression loss of the foreground anchors of all images.

    Args:
        anchors: per level, the boxes shared by all images; R boxes over all levels.
        pred_anchor_deltas: per level (N, R_level, 4).
        gt_boxes: per image (R, 4), the target of each anchor.
        fg_mask: (N, R) bool, or `...` for all.
        box_reg_loss_type, smooth_l1_beta: see `box_regression_loss`.
    """
    boxes = cat([a.tensor if isinstance(a, Boxes) else a for a in anchors])  # (R, 4)
    targets = torch.stack(list(gt_boxes))  # (N, R, 4)
    return box_regression_loss(
        box2box_transform,
        boxes.expand(targets.shape)[fg_mask].reshape(-1, 4),
        cat(pred_anchor_deltas, dim=1)[fg_mask].reshape(-1, 4),
        targets[fg_mask].reshape(-1, 4),
        box_reg_loss_type,
        smooth_l1_beta,
    )
