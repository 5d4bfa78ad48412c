"""The classifier a recipe asks for: text embeddings or a closed linear layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detic.config import class_count, is_zero_shot
from detic.errors import InputError
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.vocabulary.model_classes import ModelClasses

_ROWS = 2048  # embeddings that are normalised at once

CLOSED = (
    "this model knows only the classes it was trained on (USE_ZEROSHOT_CLS False); choose a recipe "
    "with CLIP in its name"
)


@dataclass(frozen=True)
class ClassifierParams:
    """The classes of a classifier and how boxes are compared with them."""

    classes: ModelClasses | None  # None: a linear layer without names
    num_classes: int
    normalize: bool = True  # cosine similarity; False: plain product
    temperature: float = 50.0
    bias: float | None = None  # start of a learnable number added to every logit; None: no bias
    prior_prob: float = 0.5  # that a linear layer starts from

    @classmethod
    def from_config(cls, cfg) -> "ClassifierParams":
        node = cfg.MODEL.ROI_BOX_HEAD
        return cls(
            classes=ModelClasses.from_config(cfg) if is_zero_shot(cfg) else None,
            num_classes=class_count(cfg),
            normalize=node.NORM_WEIGHT,
            temperature=node.NORM_TEMP,
            bias=node.USE_BIAS if node.USE_BIAS < 0 else None,
            # Rare positives: a sigmoid classifier starts at their prior probability.
            prior_prob=node.PRIOR_PROB if node.USE_SIGMOID_CE else 0.5,
        )


def build_classifier(params: ClassifierParams, in_features: int) -> ZeroShotClassifier | nn.Linear:
    """Return a module from (R, in_features) to logits (R, C + 1)."""
    if params.classes is None:
        bias = prior_bias(params.prior_prob)
        return normal_linear(in_features, params.num_classes + 1, std=0.01, bias=bias)
    return ZeroShotClassifier(
        in_features=in_features,
        class_embeddings=params.classes.vectors(),
        normalize=params.normalize,
        temperature=params.temperature,
        bias=params.bias,
        learn_embeddings=params.classes.are_set_later,
    )


def class_columns(classifier: ZeroShotClassifier | nn.Linear, embeddings: Tensor) -> Tensor:
    """Return class embeddings (C, D) as a classifier multiplies with, (D, C + 1) on its device.

    The last column is the background's, of zeros.

    Raises:
        InputError: the classifier knows its own classes only.
    """
    if isinstance(classifier, nn.Linear):
        raise InputError(CLOSED)
    device = classifier.zs_weight.device
    columns = torch.zeros(embeddings.shape[1], len(embeddings) + 1, device=device)
    start = 0
    for rows in embeddings.split(_ROWS):  # a large vocabulary is not in memory several times
        columns[:, start : start + len(rows)] = classifier.columns(rows.to(device))
        start += len(rows)
    return columns


def class_logits_by_slice(
    classifier: ZeroShotClassifier | nn.Linear, x: Tensor, columns: Tensor | None = None
) -> Callable[[slice], Tensor]:
    """Return a function from a slice of the C + 1 columns to logits (R, K).

    Args:
        x: (R, in_features) box features.
        columns: (D, C + 1) classes in place of a zero-shot classifier's own.
    """
    if isinstance(classifier, nn.Linear):
        if columns is not None:
            raise InputError(CLOSED)
        return lambda classes: F.linear(x, classifier.weight[classes], classifier.bias[classes])
    embedded = classifier.embed(x)
    weight = classifier.zs_weight if columns is None else columns
    return lambda classes: classifier.similarity(embedded, weight[:, classes])


def prior_bias(prob: float) -> float:
    """Return the bias with which a sigmoid classifier starts from a probability."""
    return -math.log((1 - prob) / prob)


def normal_linear(
    in_features: int, out_features: int, std: float = 0.001, bias: float = 0.0
) -> nn.Linear:
    """Return a linear layer with normal weights and a constant bias."""
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=std)
    nn.init.constant_(layer.bias, bias)
    return layer
