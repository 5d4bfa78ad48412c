"""Non-maximum suppression within classes.

Shapes: N boxes.
"""

import torch
from detectron2.layers._nms_by_pairs import nms_by_pairs
from torchvision.ops import nms

# Many boxes and a high threshold: most pairs cannot overlap enough, which is seen at their corners.
_MIN_BOXES_FOR_PAIRS = 1000
_MIN_THRESHOLD_FOR_PAIRS = 0.8


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float
) -> torch.Tensor:
    """Return the indices of the boxes to keep, (K,) int64, by falling score.

    Args:
        boxes: (N, 4) XYXY.
        scores: (N,).
        idxs: (N,) class or feature level; boxes of different ones never suppress each other.
        iou_threshold: in one class, a box is dropped if its IoU with a better one exceeds it.
    """
    if len(boxes) == 0:
        return boxes.new_empty(0, dtype=torch.int64)
    # Classes are moved to disjoint regions of the plane, so that one call serves all. In double
    # precision the shift costs no accuracy; in single precision the 1200th class of a large image
    # would be rounded to an eighth of a pixel.
    boxes = boxes.double()
    boxes = boxes - boxes.min()
    shifts = idxs.double() * (boxes.max() + 1)
    by_pairs = (
        boxes.device.type == "cpu"
        and len(boxes) >= _MIN_BOXES_FOR_PAIRS
        and iou_threshold >= _MIN_THRESHOLD_FOR_PAIRS
    )
    suppress = nms_by_pairs if by_pairs else nms
    return suppress(boxes + shifts[:, None], scores.double(), iou_threshold)
