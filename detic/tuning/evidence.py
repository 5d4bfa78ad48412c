"""What regions and annotations say about classes.

Shapes: K stages, R regions of all images, N regions of one image, G boxes, C classes, D embedding width.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou

from detic.modeling.regions import RegionFeatures
from detic.modeling.roi_heads.image_label_losses import select_max_size
from detic.tuning.fit import FitParams

BACKGROUND = -1  # the label of a region that shows no annotated object
SAME_IOU = 0.5  # from here on a region shows the object of a box
APART_IOU = 0.3  # below, it shows none; between both nobody knows
MAX_BACKGROUND = 64  # of an image, those of the highest-scoring proposals
MAX_LABEL_PROPOSALS = 128  # that may be the largest one, as in training


class Evidence(NamedTuple):
    """Regions with what they show."""

    embeddings: Tensor  # (K, R, D)
    labels: Tensor  # (R,) int64, a class or BACKGROUND
    is_guessed: Tensor  # (R,) bool, of an image with a label, not on a box


def evidence_of_boxes(regions: RegionFeatures, boxes_xyxy: Tensor, classes: Tensor) -> Evidence:
    """Return the regions on the boxes of an image, and those apart from all of them.

    Args:
        regions: of the image.
        boxes_xyxy: (G, 4), pixels of the image; at least one.
        classes: (G,) int64.
    """
    overlap, nearest = box_iou(regions.boxes_xyxy, boxes_xyxy).max(dim=1)  # (N,), (N,)
    on_box = (overlap >= SAME_IOU).nonzero()[:, 0]
    apart = (overlap < APART_IOU).nonzero()[:MAX_BACKGROUND, 0]
    labels = torch.cat([classes[nearest[on_box]], torch.full_like(apart, BACKGROUND)])
    rows = torch.cat([on_box, apart])
    return Evidence(regions.embeddings[:, rows], labels, torch.zeros(len(rows), dtype=torch.bool))


def evidence_of_label(regions: RegionFeatures, label: int) -> Evidence:
    """Return the region that the label of an image stands for: the largest (Detic's max-size rule).

    Args:
        regions: of the image; if there are none, the label says nothing.
        label: a class.
    """
    areas = box_area(regions.boxes_xyxy[:MAX_LABEL_PROPOSALS])
    labels = torch.full((min(len(areas), 1),), label)
    rows = select_max_size(areas, areas, labels) if len(labels) else labels
    return Evidence(regions.embeddings[:, rows], labels, torch.ones(len(rows), dtype=torch.bool))


def joined(parts: Iterable[Evidence]) -> Evidence:
    """Return the evidence of several images as one."""
    embeddings, labels, is_guessed = zip(*parts, strict=True)
    return Evidence(torch.cat(embeddings, dim=1), torch.cat(labels), torch.cat(is_guessed))


def weights_of(
    evidence: Evidence, classes: Tensor, has_boxes: Tensor, params: FitParams
) -> tuple[Tensor, Tensor]:
    """Return which regions are positive for which classes, and how much each weighs, both (R, C).

    An object of another class is a negative. A region without an annotated object is one for classes
    that have boxes alone: scenes may show objects of those that have labels of images only. These
    have one region for an image, not a dozen for an object, so negatives weigh less.

    >>> labels, is_guessed = torch.tensor([0, 1, BACKGROUND]), torch.tensor([False, True, False])
    >>> evidence = Evidence(torch.zeros(1, 3, 8), labels, is_guessed)
    >>> weights_of(evidence, torch.tensor([0, 1]), torch.tensor([True, False]), FitParams())[1]
    tensor([[1.0000, 0.0300],
            [1.0000, 0.3000],
            [1.0000, 0.0000]])

    Args:
        evidence: R regions.
        classes: (C,) int64, those that are fitted.
        has_boxes: (C,) bool, whether they have boxes.
    """
    labels = evidence.labels[:, None]
    positive = labels == classes
    of_class = torch.where(evidence.is_guessed, params.label, 1.0)[:, None]
    of_objects = torch.where(has_boxes, params.negative, params.negative_of_labels)
    of_background = torch.where(has_boxes, params.negative, 0.0)
    negative = torch.where(labels == BACKGROUND, of_background, of_objects)
    return positive, torch.where(positive, of_class, negative)
