"""How much sampled boxes count: those matched with a detector's finds, and those in ignore regions.

Shapes: B images, N proposals of one image, R of the batch, Z excluded boxes of an image, C classes.
"""

from collections.abc import Sequence

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, Instances, pairwise_ioa, pairwise_iou
from torch import Tensor

from centernet.rows import rows_where

INSIDE = 0.5  # share of a proposal's area from which on it lies in an excluded box, as in COCO


def outside_ignore_regions(
    proposals: Sequence[Instances],
    targets: Sequence[Instances],
    excluded_boxes: Sequence[Tensor],
    matcher: Matcher,
) -> list[Instances]:
    """Return the proposals but those that would be background of excluded boxes.

    Args:
        proposals: B Instances with ``proposal_boxes``.
        targets: B Instances with ``gt_boxes``.
        excluded_boxes: B tensors (Z, 4), xyxy.
        matcher: labels proposals by their IoU with the ground truth.
    """
    kept = []
    for p, gt, excluded in zip(proposals, targets, excluded_boxes, strict=True):
        _, labels = matcher(pairwise_iou(gt.gt_boxes, p.proposal_boxes))
        kept.append((labels == 1) | ~_lie_inside(p.proposal_boxes, excluded))
    return [p[rows] for p, rows in zip(proposals, rows_where(kept), strict=True)]


def box_weights(
    proposals: Sequence[Instances],
    targets: Sequence[Instances],
    excluded_boxes: Sequence[Tensor] | None,
    matcher: Matcher,
    num_classes: int,
) -> Tensor | None:
    """Return what the losses of labelled proposals are multiplied by, (R,) float32; None: by 1.

    Foreground has the ``gt_score`` of its object, if there is one. Background in excluded boxes has 0.

    Args:
        proposals: B Instances with ``proposal_boxes`` and ``gt_classes`` (C: background).
        targets: B Instances with ``gt_boxes``.
        excluded_boxes: B tensors (Z, 4), xyxy; None: none.
        matcher: gave the proposals their objects.
    """
    if excluded_boxes is None and not any(gt.has("gt_score") for gt in targets):
        return None
    weights = []
    for i, (p, gt) in enumerate(zip(proposals, targets, strict=True)):
        is_background = p.gt_classes == num_classes
        of_image = torch.ones_like(p.gt_classes, dtype=torch.float32)
        if gt.has("gt_score") and len(gt) > 0:
            matches, _ = matcher(pairwise_iou(gt.gt_boxes, p.proposal_boxes))
            of_image = torch.where(is_background, of_image, gt.gt_score[matches])
        if excluded_boxes is not None:
            is_inside = _lie_inside(p.proposal_boxes, excluded_boxes[i])
            of_image = of_image.masked_fill(is_background & is_inside, 0)
        weights.append(of_image)
    return torch.cat(weights)


def _lie_inside(boxes: Boxes, excluded: Tensor) -> Tensor:
    """Return which boxes have half of their area or more in one of ``excluded`` (Z, 4), (N,) bool."""
    return (pairwise_ioa(Boxes(excluded), boxes) >= INSIDE).any(dim=0)
