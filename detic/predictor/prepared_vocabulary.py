"""A vocabulary prepared for the model.

Shapes: C classes, D embedding width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from detic.modeling.request import RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.predictor.inference_config import check_score_threshold
from detic.vocabulary import EmbeddedVocabulary


@dataclass(frozen=True, eq=False)
class PreparedVocabulary:
    """All that detection needs of a vocabulary: made once, then only read, by any thread."""

    vocabulary: EmbeddedVocabulary
    names: np.ndarray  # (C,) str
    parents: np.ndarray | None  # (C,) str, "" of classes without; None: no class has one
    score_threshold: float  # of the classes that have none of their own
    requested: RequestedClasses  # on the model's device


def prepare(
    vocabulary: EmbeddedVocabulary,
    classifier: ZeroShotClassifier | nn.Linear,
    score_threshold: float,
) -> PreparedVocabulary:
    """Return a vocabulary as the model reads it.

    Args:
        classifier: the model's.
        score_threshold: of the classes that have none of their own, 0 to 1.

    Raises:
        InputError: the threshold is no score, or the classifier knows its own classes only.
    """
    check_score_threshold(score_threshold)
    entries = vocabulary.entries
    own = [entry.score_threshold for entry in entries]
    thresholds = [score_threshold if threshold is None else threshold for threshold in own]
    negative = [entry.negative for entry in entries]
    columns = class_columns(classifier, vocabulary.embeddings)
    device = columns.device
    requested = RequestedClasses(
        columns=columns,
        score_thresholds=torch.tensor(thresholds, device=device),
        negative=torch.tensor(negative, device=device) if any(negative) else None,
    )
    parents = [entry.parent or "" for entry in entries]
    return PreparedVocabulary(
        vocabulary,
        names=np.array(vocabulary.names),
        parents=np.array(parents) if any(parents) else None,
        score_threshold=score_threshold,
        requested=requested,
    )
