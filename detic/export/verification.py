"""Whether an exported file finds what its detector finds.

Shapes: H x W image, C classes, D embedding width, N and M detections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Instances
from torch import Tensor
from torch.nn import functional as F

from detic.export.formats import Run
from detic.modeling.build import DetectionModel
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns

MAX_SCORE_DIFFERENCE = 1e-4
MAX_BOX_DIFFERENCE_PX = 0.02
VERIFIED_SHARE = 0.98  # of the objects, which have to be equal
EXACTLY_VERIFIED = (
    f"{VERIFIED_SHARE:.0%} of the objects in two images are those of the detector: of the same class, "
    f"with scores within {MAX_SCORE_DIFFERENCE} and boxes within {MAX_BOX_DIFFERENCE_PX} pixels"
)
_NUM_CLASSES = 8  # that images are looked through for
_HIGHEST_LOGIT = 2.0  # of a class: scores of higher ones would hardly differ


@dataclass(frozen=True)
class Agreement:
    """How the detections of a file compare with those of its detector."""

    num_objects: int  # that one of them, or both, found
    num_matched: int
    max_score_difference: float  # of those
    max_box_difference_px: float

    def __str__(self) -> str:
        return (
            f"{self.num_matched} of {self.num_objects} objects are equal (scores within "
            f"{self.max_score_difference:.1e}, boxes within {self.max_box_difference_px:.1e} pixels)"
        )


def compare(
    model: DetectionModel, run: Run, images: Sequence[Tensor], embeddings: Tensor, threshold: float
) -> Agreement:
    """Return how what is found in images compares.

    Args:
        model: in evaluation mode.
        images: (H, W, 3) uint8 in the model's channel order.
        embeddings: (C, D) of the classes to look for.
        threshold: of their scores.
    """
    thresholds = torch.full((len(embeddings),), threshold)
    parts = []
    for image in images:
        expected = detect(model, image, embeddings, thresholds)
        found = run(image.numpy(), embeddings.numpy(), thresholds.numpy())
        parts.append(_agreement(_as_arrays(expected), found, threshold))
    return Agreement(
        sum(part.num_objects for part in parts),
        sum(part.num_matched for part in parts),
        max(part.max_score_difference for part in parts),
        max(part.max_box_difference_px for part in parts),
    )


def detect(
    model: DetectionModel, image: Tensor, embeddings: Tensor, thresholds: Tensor
) -> Instances:
    """Return what a model finds in an image (H, W, 3), with the embeddings of regions."""
    classes = RequestedClasses(class_columns(model.classifier, embeddings), thresholds)
    request = DetectionRequest(classes=classes, region_embeddings=True, masks=False)
    height, width = image.shape[:2]
    inputs = [{"image": image.permute(2, 0, 1), "height": height, "width": width}]
    return model.inference(inputs, request)[0]["instances"]


def typical_classes(model: DetectionModel, image: Tensor, embedding_dim: int) -> Tensor:
    """Return class embeddings (C, D) whose scores tell the regions of an image apart.

    Scores of random embeddings are nearly the same for all regions. These are of regions, less what
    all regions have in common.
    """
    anything = torch.zeros(1, embedding_dim)
    regions = detect(model, image, anything, torch.zeros(1)).region_embeddings  # (N, D)
    if len(regions) < 2:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(_NUM_CLASSES, embedding_dim, generator=generator)
    rows = torch.linspace(0, len(regions) - 1, _NUM_CLASSES).round().long()
    own = F.normalize(regions[rows] - regions.mean(dim=0), dim=1)
    # What hardly any region has lowers the similarity to all of them.
    rest = torch.linalg.svd(regions).Vh[-1]
    classifier: Any = model.classifier
    bias = 0.0 if classifier.cls_bias is None else classifier.cls_bias.item()
    highest = classifier.temperature * (regions @ own.t()).max().item()
    share = min(1.0, (_HIGHEST_LOGIT - bias) / max(highest, 1e-6))
    return share * own + (1 - share**2) ** 0.5 * rest


def _as_arrays(found: Instances) -> dict[str, np.ndarray]:
    return {
        "boxes": found.pred_boxes.tensor.numpy(),
        "scores": found.scores.numpy(),
        "classes": found.pred_classes.numpy(),
    }


def _agreement(
    one: dict[str, np.ndarray], other: dict[str, np.ndarray], threshold: float
) -> Agreement:
    """Return how two sets of detections compare; those at the threshold may be in one alone."""
    scores = np.abs(one["scores"][:, None] - other["scores"])  # (N, M)
    boxes = np.abs(one["boxes"][:, None] - other["boxes"]).max(axis=2, initial=0)
    is_match = (one["classes"][:, None] == other["classes"]) & (scores <= MAX_SCORE_DIFFERENCE)
    is_match &= boxes <= MAX_BOX_DIFFERENCE_PX
    has_match = [is_match.any(axis=1), is_match.any(axis=0)]
    # An object counts that has a match, or that would have to
    num_objects = [
        int((matched | (found["scores"] > threshold + MAX_SCORE_DIFFERENCE)).sum())
        for found, matched in zip((one, other), has_match, strict=True)
    ]
    return Agreement(
        max(num_objects),
        min(int(matched.sum()) for matched in has_match),
        float(scores[is_match].max(initial=0)),
        float(boxes[is_match].max(initial=0)),
    )
