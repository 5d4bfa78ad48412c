"""Non-maximum suppression in all images of a batch at once, as a GPU likes it.

Shapes: B images, N boxes of each, best first; some rows may be no boxes.
"""

import torch
from torch import Tensor

# Bounds of memory: of a matrix of overlaps, and of each of the few tensors that it is made of
_PAIRS_OF_A_MATRIX = 2**28  # a byte each
_PAIRS_AT_ONCE = 2**24  # four bytes each
# Rounds before the host asks whether all is settled. The 6125 boxes of an image of 640 pixels, of
# random weights, need 2 at an IoU of 0.9 and 10 at one of 0.5.
_ROUNDS = 6


def nms_of_images(
    boxes_xyxy: Tensor, classes: Tensor, is_box: Tensor, iou_threshold: float
) -> Tensor:
    """Return which boxes survive NMS within the classes of each image, (B, N) bool.

    They are those of torchvision's ``nms``, image by image, in single precision. The host waits
    once for six rounds, however many images there are. Overlaps are made for one image at a time, or
    for as many as half a GiB has room for.

    Args:
        boxes_xyxy: (B, N, 4), best first.
        classes: (B, N).
        is_box: (B, N) bool; the other rows drop nothing and do not survive.
        iou_threshold: above 0; a box is dropped if its IoU with a better one that stays exceeds it.

    Source:
        Cluster-NMS in "Enhancing Geometric Factors in Model Learning and Inference for Object
        Detection and Instance Segmentation" (Zheng et al., 2020).
    """
    at_once = max(1, _PAIRS_OF_A_MATRIX // max(1, is_box.shape[1] ** 2))
    images = [columns.split(at_once) for columns in (boxes_xyxy.float(), classes, is_box)]
    kept = images[2]
    while True:
        results = [
            _kept_after_rounds(_drops(boxes, of_boxes, iou_threshold), is_one, before)
            for boxes, of_boxes, is_one, before in zip(*images, kept, strict=True)
        ]
        kept = tuple(keep for keep, _ in results)
        if not torch.stack([changed for _, changed in results]).any():
            return torch.cat(kept)


def _kept_after_rounds(drops: Tensor, is_box: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``keep`` (B, N) after some rounds, and whether the last of them changed anything.

    Each round keeps the boxes that none of the kept ones drops. The first N boxes are right after N
    rounds at the latest, and what a round does not change is the result.
    """
    before = keep
    for _ in range(_ROUNDS):
        before, keep = keep, is_box & ~(drops & keep[:, :, None]).any(dim=1)
    return keep, (keep != before).any()


def _drops(boxes_xyxy: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Return whether box i, if it stays, drops the worse box j, (B, N, N) bool."""
    num_images, num_boxes = classes.shape
    drops = classes.new_zeros(num_images, num_boxes, num_boxes, dtype=torch.bool)
    sides = boxes_xyxy.permute(2, 0, 1).contiguous()  # (4, B, N)
    step = max(1, _PAIRS_AT_ONCE // max(1, classes.numel()))
    for first in range(0, num_boxes, step):
        rows, worse = slice(first, first + step), slice(first, None)
        overlap = _iou(sides[:, :, rows, None], sides[:, :, None, worse]) > iou_threshold
        overlap &= classes[:, rows, None] == classes[:, None, worse]
        drops[:, rows, worse] = overlap
    return drops.triu_(diagonal=1)


def _iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of boxes (4, ...), or a number below 0 where they lie apart."""
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = a, b
    width = torch.minimum(right, right_b).sub_(torch.maximum(left, left_b)).clamp_(min=0)
    height = torch.minimum(bottom, bottom_b).sub_(torch.maximum(top, top_b))
    intersection = width.mul_(height)
    areas = (right - left) * (bottom - top) + (right_b - left_b) * (bottom_b - top_b)
    return intersection.div_(areas.sub_(intersection))
