"""What a training batch is supervised by beyond its boxes.

Shapes: B images, C classes, K classes sampled for the batch, T captions of all processes,
D embedding width, Z excluded boxes of an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from detic.annotation import AnnotationKind


@dataclass(frozen=True)
class SampledClasses:
    """The classes that a batch is classified against where all of them are too many."""

    embeddings: Tensor  # (K + 1, D), the last row is the zero background
    class_to_column: Tensor  # (C + 1,) int64 in [0, K]; K: not sampled, background


@dataclass(frozen=True)
class BatchCaptions:
    """The captions that the images of a batch are matched with."""

    embeddings: Tensor  # (T, D)
    first: int = 0  # row of this batch's first caption


@dataclass(frozen=True)
class Supervision:
    """The annotation of one training batch."""

    kind: AnnotationKind = AnnotationKind.BOX
    image_labels: Sequence[Sequence[int]] = ()  # B lists of classes present in each image
    classes: SampledClasses | None = None  # None: all classes of the model
    captions: BatchCaptions | None = None
    # (B, C) bool: the classes whose absence is known in each image; None: all
    labelled_classes: Tensor | None = None
    # B tensors (Z, 4) xyxy pixels: where nothing is background; None: nowhere
    excluded_boxes: Sequence[Tensor] | None = None

    def columns(self, classes: Tensor) -> Tensor:
        """Return the classifier columns of ``classes`` (int64, background C included)."""
        return classes if self.classes is None else self.classes.class_to_column[classes]

    def labelled_columns(self) -> Tensor | None:
        """Return the classifier columns whose classes each image is labelled for, bool.

        (B, C), or (B, K) where classes are sampled; None: all.
        """
        if self.labelled_classes is None or self.classes is None:
            return self.labelled_classes
        columns = self.classes.class_to_column[:-1]  # (C,); K, several times, if not sampled
        shape = len(self.labelled_classes), len(self.classes.embeddings)
        labelled = self.labelled_classes.new_zeros(shape)
        return labelled.index_copy(1, columns, self.labelled_classes)[:, :-1]

    def is_foreground(self, classes: Tensor, num_classes: int) -> Tensor:
        """Return which of ``classes``, of a model of ``num_classes``, have a column, bool."""
        background = num_classes if self.classes is None else len(self.classes.embeddings) - 1
        return self.columns(classes) < background
