"""What comes with a batch beyond its images and boxes: supervision, classes, wishes.

Shape legend: B images, C classes, K classes sampled for the batch, T captions of all processes,
D embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from detic.annotation import AnnotationKind


@dataclass(frozen=True)
class BatchVocabulary:
    """The classifier of one batch; empty: the model's own, with all its classes."""

    embeddings: Tensor | None = None  # (K + 1, D), the last row is the zero background
    class_to_column: Tensor | None = None  # (C + 1,) int64 in [0, K]; K: not sampled, background
    captions: Tensor | None = None  # (T, D)
    first_caption: int = 0  # row of this process's first caption
    # At test time, by class (C,)
    score_thresholds: Tensor | None = None  # lowest scores reported, in place of the common one
    negative: Tensor | None = None  # bool: competes for boxes, but is never reported

    def columns(self, classes: Tensor) -> Tensor:
        """Return the classifier columns of ``classes`` (int64, background C included)."""
        return classes if self.class_to_column is None else self.class_to_column[classes]


@dataclass(frozen=True)
class Extras:
    """What detections carry besides boxes, scores, classes and masks."""

    region_embeddings: bool = False  # (D,) of unit length in the space of the texts
    class_scores: bool = False  # (C,) of all classes, negative ones included


@dataclass(frozen=True)
class Supervision:
    """The annotation of one training batch; at test time, what detections are asked for."""

    kind: AnnotationKind = AnnotationKind.BOX
    image_labels: Sequence[Sequence[int]] = ()  # B lists of classes present in each image
    vocabulary: BatchVocabulary = field(default_factory=BatchVocabulary)
    extras: Extras = field(default_factory=Extras)
