"""What a frozen detector computes of the regions of an image before it compares them with classes.

Shapes: B images, K stages, R regions of the batch, N regions of one image, D embedding width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.structures import Boxes
from torch import Tensor

from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier


class RegionFeatures(NamedTuple):
    """The regions of one image, highest-scoring proposals first."""

    embeddings: Tensor  # (K, N, D) in each stage, as class vectors are multiplied with
    boxes_xyxy: Tensor  # (N, 4) after the last stage, pixels
    scores: Tensor  # (N,) of the proposals, 0..1


def regions_by_image(
    classifiers: Sequence[ZeroShotClassifier],
    box_features: Sequence[Tensor],
    boxes_xyxy: Sequence[Tensor],
    scores: Tensor,
    image_sizes_hw: Sequence[tuple[int, int]],
) -> list[RegionFeatures]:
    """Return the regions of each image of a batch.

    Args:
        classifiers: of the K stages.
        box_features: K tensors (R, F) that they read.
        boxes_xyxy: B tensors (N, 4), pixels of the network input; parts outside are cut off.
        scores: (R,) of the proposals, 0..1.
    """
    stages = zip(classifiers, box_features, strict=True)
    embeddings = torch.stack([classifier.embed(x) for classifier, x in stages])
    sizes = [len(boxes) for boxes in boxes_xyxy]
    regions = []
    for of_image in zip(
        embeddings.split(sizes, dim=1), boxes_xyxy, scores.split(sizes), image_sizes_hw, strict=True
    ):
        embedded, xyxy, of_proposals, size_hw = of_image
        boxes = Boxes(xyxy.clone())
        boxes.clip(size_hw)
        regions.append(RegionFeatures(embedded, boxes.tensor, of_proposals))
    return regions


def scaled(regions: RegionFeatures, x: float, y: float) -> RegionFeatures:
    """Return regions with boxes in the pixels of an image of another size.

    Args:
        x, y: how many times as wide and as high it is.
    """
    factors = regions.boxes_xyxy.new_tensor([x, y, x, y])
    return regions._replace(boxes_xyxy=regions.boxes_xyxy * factors)
