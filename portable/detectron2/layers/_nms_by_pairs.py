"""Non-maximum suppression of many boxes of which few overlap much.

Shapes: N boxes, P pairs of boxes.
"""

import torch
from detectron2.layers._ragged import expand_groups


def nms_by_pairs(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return what torchvision's `nms` does for boxes (N, 4) float64, and a threshold above 0.

    It is faster where few pairs of boxes overlap by more than the threshold.
    """
    order = scores.argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    pairs = rank[_overlapping_pairs(boxes, iou_threshold)]
    better, worse = pairs.amin(dim=0), pairs.amax(dim=0)
    keep = torch.ones(len(boxes), dtype=torch.bool)
    while len(better) > 0:
        # Boxes that no better one may still drop are safe, and drop their neighbours.
        threatened = torch.zeros_like(keep).index_fill_(0, worse, True)
        keep[worse[~threatened[better]]] = False
        undecided = keep[worse] & keep[better]
        better, worse = better[undecided], worse[undecided]
    return order[keep]


def _overlapping_pairs(boxes: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return all pairs of boxes (N, 4) whose IoU exceeds a threshold above 0, (2, P) int64.

    If it does, the intersection is wider than that part of the wider box, and so the left sides
    differ by less than the rest of it; likewise the upper sides.
    """
    from_left = boxes[:, 0].argsort()
    boxes = boxes[from_left]
    left, top, right, bottom = boxes.t().contiguous()
    width, height = right - left, bottom - top
    # Rounding must not lose a pair.
    reach = (1 - iou_threshold) / iou_threshold * (1 + 1e-6)
    last = torch.searchsorted(left, left + width * reach, right=True)
    place = torch.arange(len(boxes))
    first_of, second = expand_groups((last - place - 1).clamp(min=0))
    second = second + first_of + 1
    near = (top[first_of] - top[second]).abs() <= (height * reach)[first_of]
    first_of, second = first_of[near], second[near]

    a, b = boxes[first_of], boxes[second]
    sides = torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])
    intersection = sides.clamp(min=0).prod(dim=1)
    area = width * height
    iou = intersection / (area[first_of] + area[second] - intersection)
    chosen = iou > iou_threshold
    return from_left[torch.stack([first_of[chosen], second[chosen]])]
