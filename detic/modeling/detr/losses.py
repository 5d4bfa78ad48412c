"""The losses of Deformable DETR: each set of queries against the objects it is matched with.

Shapes: B images, Q queries, C classes, K matched pairs, N objects of the batch, S sampled classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from centernet.processes import mean_over_processes
from detic.modeling.detr.boxes import cxcywh_to_xyxy, generalized_iou
from detic.modeling.detr.matching import Matches, PairWeights, Targets, match
from detic.modeling.detr.queries import OBJECT
from detic.modeling.detr.transformer import Prediction
from detic.modeling.federated import sample_federated_classes
from detic.transfer import send

_GAMMA = 2  # focusing exponent
_UNWEIGHTED = PairWeights(classes=1.0, l1=1.0, giou=1.0)


@dataclass(frozen=True)
class CriterionParams:
    """How the losses are composed."""

    weights: PairWeights
    focal_alpha: float = 0.25  # weight of positives, 1 - alpha of negatives
    every_layer: bool = True  # else the last one's predictions alone are supervised
    num_sampled_classes: int = 50  # S of the federated loss


class _Set(NamedTuple):
    """One set of queries and what it is to predict."""

    suffix: str  # of the names of its losses
    prediction: Prediction
    targets: Sequence[Targets]  # of B images
    weights: PairWeights  # of the losses


class SetCriterion(nn.Module):
    """The losses of all sets of queries: of the last layer, of the others, of the proposals.

    Args:
        frequencies: (C,) weights by which classes that may be absent are drawn; then the class loss
            counts those that occur and those that are drawn alone. None: all classes count.
    """

    fed_loss_weight: Tensor | None

    def __init__(self, params: CriterionParams, frequencies: Tensor | None = None):
        super().__init__()
        self.params = params
        self.register_buffer("fed_loss_weight", frequencies)

    def forward(
        self,
        layers: Sequence[Prediction],
        proposals: Prediction | None,
        targets: Sequence[Targets],
        object_count: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return losses by name, and two numbers without gradient that tell of the progress.

        Args:
            layers: of the decoder, the last one last.
            targets: of B images.
            object_count: (1,) what the losses are divided by, before the average over processes;
                None: the number of objects of the batch.
        """
        device = layers[-1].boxes.device
        if object_count is None:
            object_count = count_objects(targets, device)
        normalizer = mean_over_processes(object_count).clamp(min=1)[0]
        sets = list(self._sets(layers, proposals, targets))
        all_matches = match([(s.prediction, s.targets) for s in sets], self.params.weights)
        losses: dict[str, Tensor] = {}
        for of_set, matches in zip(sets, all_matches, strict=True):
            losses |= self._losses(of_set, matches, normalizer)
        of_last, matches = sets[0], all_matches[0]
        return losses | {"class_error": class_error(of_last.prediction, matches, targets)}

    def _sets(
        self,
        layers: Sequence[Prediction],
        proposals: Prediction | None,
        targets: Sequence[Targets],
    ) -> Iterator[_Set]:
        weights = self.params.weights
        yield _Set("", layers[-1], targets, weights)
        if self.params.every_layer:
            for i, prediction in enumerate(layers[:-1]):
                yield _Set(f"_{i}", prediction, targets, weights)
        if proposals is not None:
            objects = [replace(t, classes=torch.full_like(t.classes, OBJECT)) for t in targets]
            # The released models were trained with proposals that weigh less than the layers.
            yield _Set("_enc", proposals, objects, _UNWEIGHTED)

    def _losses(self, of_set: _Set, matches: Matches, normalizer: Tensor) -> dict[str, Tensor]:
        suffix, prediction, targets, weights = of_set
        classes = torch.cat([t.classes for t in targets])[matches.objects]
        boxes = torch.cat([t.boxes for t in targets])[matches.objects]
        l1, giou = box_losses(prediction.boxes[matches.images, matches.queries], boxes)
        focal = self._class_loss(prediction.class_logits, matches, classes)
        return {
            f"loss_ce{suffix}": weights.classes * focal / normalizer,
            f"loss_bbox{suffix}": weights.l1 * l1 / normalizer,
            f"loss_giou{suffix}": weights.giou * giou / normalizer,
            f"cardinality_error{suffix}": cardinality_error(prediction, targets),
        }

    def _class_loss(self, class_logits: Tensor, matches: Matches, classes: Tensor) -> Tensor:
        """Return the focal loss of logits (B, Q, C) in the classes that count."""
        num_classes = class_logits.shape[2]
        if self.fed_loss_weight is not None and num_classes > 1:
            sampled = sample_federated_classes(
                classes, self.params.num_sampled_classes, num_classes, self.fed_loss_weight
            )
            columns = classes.new_zeros(num_classes)
            columns[sampled] = torch.arange(len(sampled), device=sampled.device)
            class_logits, classes = class_logits[..., sampled], columns[classes]
        target = torch.zeros_like(class_logits)
        target[matches.images, matches.queries, classes] = 1
        return focal_loss(class_logits, target, self.params.focal_alpha)


def focal_loss(logits: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """Return the focal loss summed over all entries.

    Args:
        logits, targets: of one shape; targets are 0 or 1.
        alpha: weight of the targets 1; those of 0 weigh ``1 - alpha``.

    Source: Lin et al., arXiv 1708.02002, equation 5.
    """
    probs = logits.sigmoid()
    missed = probs + targets - 2 * probs * targets  # 1 - probability of the target
    weights = (1 - alpha) + (2 * alpha - 1) * targets
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weights * missed**_GAMMA * loss).sum()


def box_losses(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed L1 distances and generalized IoU losses of K pairs of boxes (K, 4)."""
    giou = generalized_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
    return (boxes - targets).abs().sum(), (1 - giou).sum()


@torch.no_grad()
def class_error(prediction: Prediction, matches: Matches, targets: Sequence[Targets]) -> Tensor:
    """Return the share of matched queries whose most likely class is wrong, percent."""
    if len(matches.queries) == 0:
        return prediction.boxes.new_full((), 100.0)
    logits = prediction.class_logits[matches.images, matches.queries]  # (K, C)
    classes = torch.cat([t.classes for t in targets])[matches.objects]
    return 100 - 100 * (logits.argmax(dim=1) == classes).float().mean()


@torch.no_grad()
def cardinality_error(prediction: Prediction, targets: Sequence[Targets]) -> Tensor:
    """Return how far the number of queries that show an object is from the number of objects.

    A query whose most likely class is the last one counts as none: that was the background of
    DETR, and the released models' trainings reported this number although theirs have none.
    """
    last = prediction.class_logits.shape[2] - 1
    found = (prediction.class_logits.argmax(dim=2) != last).sum(dim=1)  # (B,)
    present = send(torch.tensor([len(t.classes) for t in targets]), found.device)
    return (found - present).abs().float().mean()


def count_objects(targets: Sequence[Targets], device: torch.device) -> Tensor:
    """Return the number of objects of a batch, (1,) float32."""
    return send(torch.tensor([float(sum(len(t.classes) for t in targets))]), device)
