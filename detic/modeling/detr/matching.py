"""Which query is to predict which object: the cheapest assignment of one to one.

Shapes: B images, Q queries, C classes, G objects of one image, K matched pairs of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from detic.modeling.detr.boxes import cxcywh_to_xyxy, generalized_iou
from detic.modeling.detr.transformer import Prediction
from detic.transfer import send

# Of the focal cost: the released models were matched by these whatever their loss had.
_ALPHA = 0.25
_GAMMA = 2
_EPSILON = 1e-8


@dataclass(frozen=True)
class PairWeights:
    """How much classes and boxes count, in the matching and in the losses."""

    classes: float = 2.0
    l1: float = 5.0  # of centres and sizes
    giou: float = 2.0


@dataclass(frozen=True, eq=False)
class Targets:
    """The objects of one image."""

    classes: Tensor  # (G,) int64
    boxes: Tensor  # (G, 4) as centre and size, 0 to 1 across the image


class Matches(NamedTuple):
    """The matched pairs of one set of queries."""

    images: Tensor  # (K,) int64
    queries: Tensor  # (K,) int64
    objects: Tensor  # (K,) int64 into the objects of all images


@torch.no_grad()
def match(
    sets: Sequence[tuple[Prediction, Sequence[Targets]]], weights: PairWeights
) -> list[Matches]:
    """Return the cheapest pairs of each set, as many as there are queries or objects.

    Args:
        sets: each with the targets of B images.

    The costs of all sets go to the CPU together, so a GPU waits once.
    """
    costs = [
        pair_costs(prediction.class_logits[i], prediction.boxes[i], of_image, weights)
        for prediction, targets in sets
        for i, of_image in enumerate(targets)
    ]
    on_cpu = torch.cat([cost.flatten() for cost in costs]).cpu()
    parts = on_cpu.split([cost.numel() for cost in costs])
    pairs = [_cheapest(part.view(c.shape).numpy()) for part, c in zip(parts, costs, strict=True)]
    matches, first = [], 0
    for prediction, targets in sets:
        of_set = pairs[first : first + len(targets)]
        matches.append(_joined(of_set, targets, prediction.boxes.device))
        first += len(targets)
    return matches


def pair_costs(
    class_logits: Tensor, boxes: Tensor, targets: Targets, weights: PairWeights
) -> Tensor:
    """Return the cost (Q, G) of every query for every object of one image.

    It is the difference that the pair makes to the focal loss of the object's class, plus the L1
    distance of the boxes, minus their generalized IoU, all weighted.

    Args:
        class_logits: (Q, C).
        boxes: (Q, 4) as centre and size.

    Source: Carion et al., DETR, arXiv 2005.12872, equation 1.
    """
    probs = class_logits[:, targets.classes].sigmoid()  # (Q, G)
    positive = _ALPHA * (1 - probs) ** _GAMMA * -(probs + _EPSILON).log()
    negative = (1 - _ALPHA) * probs**_GAMMA * -(1 - probs + _EPSILON).log()
    distances = (boxes[:, None] - targets.boxes).abs().sum(dim=-1)
    giou = generalized_iou(cxcywh_to_xyxy(boxes)[:, None], cxcywh_to_xyxy(targets.boxes))
    return weights.classes * (positive - negative) + weights.l1 * distances - weights.giou * giou


def _cheapest(costs: np.ndarray) -> np.ndarray:
    """Return the pairs (query, object) of the cheapest assignment, (2, min(Q, G)) int64."""
    from scipy.optimize import linear_sum_assignment

    # Of weights that are not finite: the losses will tell, with the images.
    finite = np.nan_to_num(costs, nan=0.0, posinf=1e9, neginf=-1e9)
    return np.stack(linear_sum_assignment(finite))


def _joined(
    pairs: Sequence[np.ndarray], targets: Sequence[Targets], device: torch.device
) -> Matches:
    counts = [len(of_image.classes) for of_image in targets]
    firsts = np.cumsum([0, *counts[:-1]])
    columns = [
        np.stack([np.full_like(queries, i), queries, objects + first])
        for i, ((queries, objects), first) in enumerate(zip(pairs, firsts, strict=True))
    ]
    joined = send(torch.from_numpy(np.concatenate(columns, axis=1)), device)  # (3, K)
    return Matches(*joined)
