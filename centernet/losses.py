"""Losses on heat maps and on box distances.

Shapes: M cells, C channels, P positive cells, N regressed cells.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FocalParams:
    """Shape of the penalty-reduced focal loss (CornerNet, arXiv 1808.01244, equation 1)."""

    alpha: float = -1.0  # weight of positives, 1 - alpha of negatives; negative: no weights
    beta: float = 4.0  # exponent of (1 - target) on negatives
    gamma: float = 2.0  # focusing exponent
    sigmoid_clamp: float = 1e-4  # heat stays within [clamp, 1 - clamp]
    ignore_high_fp: float = -1.0  # hotter negatives cost nothing; not positive: off

    @classmethod
    def from_config(cls, cfg) -> "FocalParams":
        node = cfg.MODEL.CENTERNET
        return cls(
            alpha=node.HM_FOCAL_ALPHA,
            beta=node.HM_FOCAL_BETA,
            gamma=node.LOSS_GAMMA,
            sigmoid_clamp=node.SIGMOID_CLAMP,
            ignore_high_fp=node.IGNORE_HIGH_FP,
        )


def heatmap_focal_loss(
    logits: Tensor,
    targets: Tensor,
    positive_inds: Tensor,
    labels: Tensor,
    params: FocalParams,
    excluded: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the summed focal losses of positive and of negative cells.

    With heat ``p = sigmoid(logit)``:
    ``positive = -alpha * sum over positives of log(p) (1 - p)^gamma`` and
    ``negative = -(1 - alpha) * sum over all cells of log(1 - p) p^gamma (1 - target)^beta``.
    Positives are the listed cells, counted as often as they are listed. A target of 1 does not make
    a cell positive.

    Args:
        logits, targets: (M, C); targets in [0, 1].
        positive_inds, labels: (P,) int64 cell and channel of each positive.
        excluded: (M,) bool, cells that are no negatives; None: none.

    Returns:
        Two scalars, ``(positive, negative)``.
    """
    heat = logits.sigmoid().clamp(params.sigmoid_clamp, 1 - params.sigmoid_clamp)
    at_positives = heat[positive_inds, labels]
    positive = -(at_positives.log() * (1 - at_positives) ** params.gamma).sum()

    negatives = (1 - heat).log() * heat**params.gamma * (1 - targets) ** params.beta
    if params.ignore_high_fp > 0:
        negatives = negatives * (heat < params.ignore_high_fp)
    if excluded is not None:
        negatives = negatives.masked_fill(excluded[:, None], 0)
    negative = -negatives.sum()
    if params.alpha >= 0:
        return params.alpha * positive, (1 - params.alpha) * negative
    return positive, negative


def iou_loss(pred_ltrb: Tensor, target_ltrb: Tensor) -> Tensor:
    """Return ``-log(IoU)`` of each pair of boxes around the same point; shapes as giou_loss."""
    return -_smoothed_iou(pred_ltrb, target_ltrb)[0].log()


def linear_iou_loss(pred_ltrb: Tensor, target_ltrb: Tensor) -> Tensor:
    """Return ``1 - IoU`` of each pair of boxes around the same point; shapes as giou_loss."""
    return 1 - _smoothed_iou(pred_ltrb, target_ltrb)[0]


def giou_loss(pred_ltrb: Tensor, target_ltrb: Tensor) -> Tensor:
    """Return ``1 - GIoU`` (arXiv 1902.09630) of each pair of boxes around the same point.

    Args:
        pred_ltrb, target_ltrb: (N, 4) distances to left, top, right and bottom, not negative.
            In strides: intersection and union are smoothed by 1.

    Returns:
        (N,) losses.
    """
    iou, union = _smoothed_iou(pred_ltrb, target_ltrb)
    enclosing = _area(torch.maximum(pred_ltrb, target_ltrb))
    return 1 - (iou - (enclosing - union) / enclosing)


BOX_LOSSES = {"iou": iou_loss, "linear_iou": linear_iou_loss, "giou": giou_loss}


def _smoothed_iou(pred_ltrb: Tensor, target_ltrb: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(intersection + 1) / (union + 1)`` and the union, both (N,)."""
    intersection = _area(torch.minimum(pred_ltrb, target_ltrb))
    union = _area(pred_ltrb) + _area(target_ltrb) - intersection
    return (intersection + 1) / (union + 1), union


def _area(ltrb: Tensor) -> Tensor:
    """Return the areas (N,) of boxes given as distances (N, 4) from an inner point."""
    return (ltrb[:, 0] + ltrb[:, 2]) * (ltrb[:, 1] + ltrb[:, 3])
