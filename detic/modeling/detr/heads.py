"""Heads that read classes and boxes off queries.

Shapes: B images, Q queries, C classes, d width of the model.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detic.modeling.detr.attention import at_least_float32
from detic.modeling.detr.transformer import TransformerParams
from detic.modeling.roi_heads.classifier import (
    ClassifierParams,
    build_classifier,
    class_logits_by_slice,
    prior_bias,
)
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier

_PRIOR_PROB = 0.01  # that classifiers start from
_FIRST_SIZE_LOGIT = -2.0  # of the width and height of boxes without proposals


class BoxHead(nn.Module):
    """Three linear layers from queries to the change of their boxes."""

    def __init__(self, width: int, size_logit: float):
        super().__init__()
        last = nn.Linear(width, 4)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([0.0, 0.0, size_logit, size_logit]))
        self.layers = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width), last])

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (..., 4), to be added to those of the references, for (..., d)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def build_box_heads(params: TransformerParams) -> nn.ModuleList:
    """Return a head for each layer of the decoder, then that of the proposals if there are any."""
    width, count = params.layer.width, params.decoder_layers + params.two_stage
    first = BoxHead(width, 0.0 if params.two_stage else _FIRST_SIZE_LOGIT)
    heads = _one_each(first, count, shared=not params.refine_boxes)
    if params.refine_boxes:  # the next ones start from the sizes of the first
        for head in heads[1:]:
            nn.init.zeros_(head.get_parameter("layers.2.bias"))
    return nn.ModuleList(heads)


def build_class_heads(classifier: ClassifierParams, params: TransformerParams) -> nn.ModuleList:
    """Return a classifier for each layer of the decoder, then that of the proposals, if any.

    Without class embeddings these are linear layers, as in the released models. The proposals' one
    has all classes, of which the first stands for objects. With embeddings it has this one alone.
    """
    width = params.layer.width
    if classifier.classes is None:
        first: nn.Module = _linear_classifier(width, classifier.num_classes)
        of_proposals = copy.deepcopy(first)
    else:
        first = build_classifier(classifier, width)
        of_proposals = _linear_classifier(width, 1)
    heads = _one_each(first, params.decoder_layers, shared=not params.refine_boxes)
    return nn.ModuleList([*heads, of_proposals] if params.two_stage else heads)


def _one_each(first: nn.Module, count: int, shared: bool) -> list[nn.Module]:
    """Return a module ``count`` times: the same one, or with copies that start equal."""
    others = [first if shared else copy.deepcopy(first) for _ in range(count - 1)]
    return [first, *others]


def _linear_classifier(width: int, num_classes: int) -> nn.Linear:
    layer = nn.Linear(width, num_classes)
    nn.init.constant_(layer.bias, prior_bias(_PRIOR_PROB))
    return layer


def class_logits(classifier: ZeroShotClassifier | nn.Linear, x: Tensor, num_classes: int) -> Tensor:
    """Return the logits (B, Q, C) of the first ``num_classes`` classes for (B, Q, d)."""
    by_slice = class_logits_by_slice(classifier, x.flatten(0, 1))
    return at_least_float32(by_slice(slice(num_classes))).unflatten(0, x.shape[:2])
