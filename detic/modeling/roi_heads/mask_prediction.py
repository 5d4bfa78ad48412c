"""Masks of detections, a few boxes at a time.

Shapes: B images, C channels, H x W feature map, N detections of one image, S side of a mask.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from detectron2.structures import Instances
from torch import Tensor

from detic.modeling.precision import computing_in

# What a mask head makes of this many boxes stays in the cache of a processor. The last group has up
# to twice as many: convolutions of smaller batches may add in another order.
_GROUP = 16


class MaskingHeads(Protocol):
    """Heads that add masks to boxes and classes which are known, as Detectron2's do."""

    mask_on: bool

    def forward_with_given_boxes(
        self, features: dict[str, Tensor], instances: list[Instances]
    ) -> list[Instances]: ...


def add_masks(
    heads: MaskingHeads,
    features: dict[str, Tensor],
    detections: list[Instances],
    dtype: torch.dtype | None = None,
) -> list[Instances]:
    """Return detections with ``pred_masks`` (N, 1, S, S) in (0, 1), if the heads know masks.

    On a processor the boxes go through the mask head in small groups, which takes less time and
    memory than all at once and gives the same masks. An accelerator takes all at once.

    Args:
        features: maps (B, C, H, W) by name.
        detections: B Instances with ``pred_boxes`` and ``pred_classes``.
        dtype: that the mask head computes in by mixed precision; masks are float32.
    """
    if not heads.mask_on:
        return detections
    device = next(iter(features.values())).device
    size = _GROUP if device.type == "cpu" else sum(map(len, detections))
    with computing_in(dtype, device):
        groups = [heads.forward_with_given_boxes(features, g) for g in _groups(detections, size)]
    for image, parts in zip(detections, zip(*groups, strict=True), strict=True):
        image.pred_masks = torch.cat([part.pred_masks for part in parts]).float()
    return detections


def _groups(detections: list[Instances], size: int) -> Iterator[list[Instances]]:
    """Yield boxes and classes, ``size`` of all images together, as B Instances each."""
    total = sum(map(len, detections))
    starts = range(0, max(total - size, 0) + 1, max(size, 1))
    for start, end in zip(starts, [*starts[1:], total], strict=True):
        group, first = [], 0
        for image in detections:
            rows = slice(max(start - first, 0), max(end - first, 0))
            group.append(
                Instances(
                    image.image_size,
                    pred_boxes=image.pred_boxes[rows],
                    pred_classes=image.pred_classes[rows],
                )
            )
            first += len(image)
        yield group
