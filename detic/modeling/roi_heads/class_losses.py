"""Classification losses of boxes.

Shapes: R boxes, C classes; column C of logits is the background.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def sigmoid_class_loss(
    class_logits: Tensor, gt_classes: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return binary cross entropy summed over classes and averaged over boxes.

    A background box is a negative of every class; the background column is not used.

    Args:
        class_logits: (R, C + 1).
        gt_classes: (R,) int64 in [0, C].
        class_weights: (C,), or (R, C) for each box; None: 1.

    Returns:
        Scalar; 0, with a gradient path, without boxes.
    """
    if len(class_logits) == 0:
        return class_logits.sum()
    num_classes = class_logits.shape[1] - 1
    targets = F.one_hot(gt_classes, num_classes + 1)[:, :num_classes].to(class_logits)
    loss = F.binary_cross_entropy_with_logits(
        class_logits[:, :num_classes], targets, reduction="none"
    )
    if class_weights is not None:
        loss = loss * class_weights
    return loss.sum() / len(class_logits)


def softmax_class_loss(
    class_logits: Tensor, gt_classes: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Return cross entropy, averaged with the weight of each box's class.

    Args:
        class_logits: (R, C + 1).
        gt_classes: (R,) int64 in [0, C].
        class_weights: (C,), the background weighs 1; None: 1 for all.

    Returns:
        Scalar; 0, with a gradient path, without boxes.
    """
    if len(class_logits) == 0:
        return class_logits.sum()
    if class_weights is not None:
        class_weights = torch.cat([class_weights, class_weights.new_ones(1)])
    return F.cross_entropy(class_logits, gt_classes, weight=class_weights)
