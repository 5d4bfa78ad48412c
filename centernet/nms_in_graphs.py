"""Non-maximum suppression that always returns the same number of boxes, for exported graphs.

A graph is made once, before any image is seen: the numbers of boxes in it must not depend on the
image. Those that there are not have score 0 and no area.

Shapes: M boxes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms


def nms_of_fixed_size(boxes_xyxy: Tensor, scores: Tensor, iou: float, count: int) -> Tensor:
    """Return indices (count,) of what survives NMS, highest score first; M stands for none.

    >>> boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [20.0, 20.0, 29.0, 29.0]])
    >>> nms_of_fixed_size(boxes, torch.tensor([0.8, 0.9, 0.0]), 0.5, 2)
    tensor([1, 3])

    Args:
        boxes_xyxy: (M, 4); those of different classes are apart, see `on_a_square`.
        scores: (M,) not negative; 0: there is no such box.
    """
    num_boxes = boxes_xyxy.shape[0]
    # Boxes that are none are one far away. The rule for the output's shape, of torchvision, is that
    # two boxes survive: there is another one still farther away.
    far = boxes_xyxy.max().clamp(min=0) + torch.arange(1.0, 8.0, 2.0, device=scores.device)
    dummies = far.reshape(2, 2).repeat_interleave(2, dim=1) + far.new_tensor([0.0, 0.0, 1.0, 1.0])
    boxes = torch.where((scores > 0)[:, None], boxes_xyxy, dummies[0])
    kept = nms(torch.cat([boxes, dummies]), F.pad(scores, (0, 2)), iou)
    kept = F.pad(kept, (0, count), value=num_boxes)[:count]
    is_real = F.pad(scores, (0, 2))[kept] > 0
    return kept.where(is_real, num_boxes)


def take_or_zero(values: Tensor, index: Tensor) -> Tensor:
    """Return rows of ``values`` (M, ...), zeros for the index M."""
    return torch.cat([values, torch.zeros_like(values[:1])])[index]


def on_a_square(boxes_xyxy: Tensor, classes: Tensor) -> Tensor:
    """Return boxes (M, 4) float32, those of a class in a square of their own around the origin.

    20 000 classes of 1000 pixels are 140 squares a side, so that no coordinate is rounded by more
    than 1/250 of a pixel. Graphics processors compute in float64 many times slower, and graphs for
    other programs have no NMS in it.
    """
    side = (classes.max() + 1).float().sqrt().ceil().long()
    cells = torch.stack([classes % side, classes // side], dim=1) - side // 2
    extent = boxes_xyxy.max() - boxes_xyxy.min().clamp(max=0)
    offsets = cells * (extent + 1).ceil()
    return boxes_xyxy + offsets.repeat(1, 2)
