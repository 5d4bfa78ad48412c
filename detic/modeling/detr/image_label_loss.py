"""Labels of whole images: each supervises the query with the largest box, in every layer.

Shapes: B images, Q queries, C classes, D layers, K labels of one image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from detic.modeling.detr.transformer import Prediction
from detic.transfer import send


def image_label_loss(layers: Sequence[Prediction], labels: Sequence[Sequence[int]]) -> Tensor:
    """Return the loss, averaged over images; images without labels cost nothing.

    It is binary cross entropy over all classes of the query whose box is the largest, summed over
    classes and layers, averaged over the labels of an image.

    Args:
        layers: of the decoder.
        labels: B lists of classes.
    """
    total = layers[-1].class_logits.new_zeros(())
    for i, of_image in enumerate(labels):
        if len(of_image) == 0:
            continue
        logits = torch.stack([_of_largest(p.class_logits[i], p.boxes[i]) for p in layers])  # (D, C)
        one_hot = F.one_hot(torch.as_tensor(of_image), logits.shape[1]).to(logits.dtype)  # (K, C)
        targets = send(one_hot, logits.device)[:, None]  # (K, 1, C)
        losses = F.binary_cross_entropy_with_logits(
            logits.expand(len(targets), -1, -1),
            targets.expand(-1, len(logits), -1),
            reduction="sum",
        )
        total = total + losses / len(targets)
    return total / len(labels)


def _of_largest(class_logits: Tensor, boxes: Tensor) -> Tensor:
    """Return the logits (C,) of the query with the largest of the boxes (Q, 4)."""
    areas = boxes[:, 2] * boxes[:, 3]
    # A single index would be read back from a GPU.
    return class_logits[areas.argmax(dim=0, keepdim=True)][0]
