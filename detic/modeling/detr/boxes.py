"""Boxes as Deformable DETR has them: centre and size, relative to the image without its padding.

Shapes: N boxes.
"""

import torch
from torch import Tensor

_EPSILON = 1e-5  # keeps the inverse of the sigmoid finite


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Return boxes (..., 4) by their corners instead of centre, width and height."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Return boxes (..., 4) by centre, width and height instead of their corners."""
    top_left, bottom_right = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(top_left + bottom_right) / 2, bottom_right - top_left], dim=-1)


def inverse_sigmoid(x: Tensor) -> Tensor:
    """Return what has the sigmoid ``x``; at 0 and 1 a large finite number.

    >>> inverse_sigmoid(torch.tensor([0.0, 0.5, 1.0]))
    tensor([-11.5129,   0.0000,  11.5129])
    """
    x = x.clamp(0, 1)
    return (x.clamp(min=_EPSILON) / (1 - x).clamp(min=_EPSILON)).log()


def generalized_iou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """Return the generalized IoU of boxes, which broadcast against each other.

    Args:
        boxes_xyxy, others_xyxy: (..., 4) in any unit.

    Returns:
        (...,) in [-1, 1].

    Source: Rezatofighi et al., arXiv 1902.09630.
    """
    intersection = _area(
        torch.maximum(boxes_xyxy[..., :2], others_xyxy[..., :2]),
        torch.minimum(boxes_xyxy[..., 2:], others_xyxy[..., 2:]),
    )
    areas = [_area(boxes[..., :2], boxes[..., 2:]) for boxes in (boxes_xyxy, others_xyxy)]
    union = areas[0] + areas[1] - intersection
    enclosing = _area(
        torch.minimum(boxes_xyxy[..., :2], others_xyxy[..., :2]),
        torch.maximum(boxes_xyxy[..., 2:], others_xyxy[..., 2:]),
    )
    return intersection / union - (enclosing - union) / enclosing


def _area(top_left: Tensor, bottom_right: Tensor) -> Tensor:
    """Return the areas (...,) between corners (..., 2); 0 where they are the wrong way round."""
    return (bottom_right - top_left).clamp(min=0).prod(dim=-1)
