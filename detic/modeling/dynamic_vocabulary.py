"""A small classifier per batch for vocabularies too large to score in training.

Shapes: C classes, K sampled classes, D embedding width.
"""

from collections.abc import Sequence

import torch
from detectron2.structures import Instances
from torch import Tensor

from detic.annotation import AnnotationKind
from detic.modeling.federated import load_class_frequencies, sample_federated_classes
from detic.modeling.supervision import SampledClasses
from detic.transfer import send


class ClassSampler:
    """Sampler of the classes that a batch is classified against.

    Args:
        num_sampled: K, more where more classes occur in a batch.
        num_classes: C.
        frequencies: drawing weights of the classes that have boxes, which come first; batches
            with boxes draw from these, others from all C classes alike.
    """

    def __init__(self, num_sampled: int, num_classes: int, frequencies: Tensor):
        self.num_sampled = num_sampled
        self.num_classes = num_classes
        self.frequencies = frequencies

    @classmethod
    def from_config(cls, cfg) -> "ClassSampler":
        node = cfg.MODEL.ROI_BOX_HEAD
        return cls(
            cfg.MODEL.NUM_SAMPLE_CATS,
            cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            load_class_frequencies(node.CAT_FREQ_PATH, node.FED_LOSS_FREQ_WEIGHT),
        )

    def __call__(
        self,
        kind: AnnotationKind,
        gt_instances: Sequence[Instances],
        image_labels: Sequence[Sequence[int]],
        class_columns: Tensor,
    ) -> SampledClasses:
        """Return the classes of a batch.

        Args:
            gt_instances: where their tensors are, the sample is drawn; on the CPU that keeps no GPU
                waiting.
            class_columns: (D, C + 1) embeddings of all classes and, last, of the background.
        """
        if kind.has_box_classes:
            present = torch.cat([g.gt_classes for g in gt_instances])
            weights = self.frequencies.to(present.device)
            sampled = sample_federated_classes(present, self.num_sampled, len(weights), weights)
        else:
            labels = [label for labels in image_labels for label in labels]
            present = torch.tensor(labels, dtype=torch.int64)
            sampled = sample_federated_classes(present, self.num_sampled, self.num_classes)
        background = sampled.new_full((1,), self.num_classes)
        columns = send(torch.cat([sampled, background]), class_columns.device)
        class_to_column = torch.full_like(class_columns[0], len(sampled), dtype=torch.int64)
        class_to_column[columns[:-1]] = torch.arange(len(sampled), device=columns.device)
        return SampledClasses(class_columns[:, columns].t(), class_to_column)
