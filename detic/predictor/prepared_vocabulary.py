"""A vocabulary prepared for the model.

Shapes: C classes, D embedding width.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from detic.errors import InputError
from detic.modeling.request import RequestedClasses
from detic.modeling.roi_heads.classifier import CLOSED, class_columns
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.vocabulary import EmbeddedVocabulary


@dataclass(frozen=True, eq=False)
class PreparedVocabulary:
    """All that detection needs of a vocabulary: made once, then only read, by any thread."""

    vocabulary: EmbeddedVocabulary
    names: np.ndarray  # (C,) str
    parents: np.ndarray | None  # (C,) str, "" of classes without; None: no class has one
    colors: Mapping[str, tuple[int, int, int]]  # RGB by name, of the classes that have one
    columns: Tensor  # (D, C + 1) as the classifier multiplies with, on the model's device
    own_thresholds: Tensor  # (C,) lowest scores; NaN: the common one
    negative: Tensor | None  # (C,) bool: competes for boxes, but is never reported; None: no class

    def requested(self, score_threshold: float, device: torch.device) -> RequestedClasses:
        """Return what the model is asked for.

        Args:
            score_threshold: lowest score of the classes that have none of their own.
            device: where the model is now.
        """
        own = self.own_thresholds.to(device)
        return RequestedClasses(
            columns=self.columns.to(device),
            score_thresholds=own.where(~own.isnan(), torch.full_like(own, score_threshold)),
            negative=None if self.negative is None else self.negative.to(device),
        )

    def lowest_score(self, score_threshold: float) -> float:
        """Return the lowest score that is reported of any class, as some have thresholds of their own."""
        return float(self.own_thresholds.nan_to_num(nan=score_threshold).min())


def prepare(
    vocabulary: EmbeddedVocabulary, classifier: ZeroShotClassifier | nn.Linear
) -> PreparedVocabulary:
    """Return a vocabulary as the model of ``classifier`` reads it.

    Raises:
        InputError: the classifier knows its own classes only.
    """
    entries = vocabulary.entries
    columns = class_columns(classifier, vocabulary.embeddings)
    own = [np.nan if e.score_threshold is None else e.score_threshold for e in entries]
    negative = [entry.negative for entry in entries]
    parents = [entry.parent or "" for entry in entries]
    return PreparedVocabulary(
        vocabulary,
        names=np.array(vocabulary.names),
        parents=np.array(parents) if any(parents) else None,
        colors={entry.name: entry.color for entry in entries if entry.color is not None},
        columns=columns,
        own_thresholds=torch.tensor(own, device=columns.device),
        negative=torch.tensor(negative, device=columns.device) if any(negative) else None,
    )


def check_fit(prepared: PreparedVocabulary, classifier: ZeroShotClassifier | nn.Linear) -> None:
    """Raise InputError if a vocabulary was prepared for a classifier of another width."""
    if isinstance(classifier, nn.Linear):
        raise InputError(CLOSED)
    found, expected = len(prepared.columns), classifier.embedding_dim
    if found != expected:
        raise InputError(
            f"the vocabulary was prepared for another detector: its embeddings are {found} wide, those "
            f"of this one {expected}; let this one prepare it"
        )
