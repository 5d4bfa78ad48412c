"""Class vectors fitted to regions of a frozen detector.

Each class is a logistic regression of its own, on the score that detection uses: the mean of the
stages' probabilities. Only the direction of a vector is fitted; its length stays that of the prior.

Shapes: K stages, R regions, C classes, D embedding width.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_CLASSES = 32  # that are fitted at once, to bound memory


@dataclass(frozen=True)
class FitParams:
    """How much each kind of evidence weighs, in regions on a box of the class.

    Chosen in drawn worlds that no reported number comes from (docs/tuning.md).
    """

    prior: float = 10.0  # the vector of the name
    negative: float = 1.0  # a region of something else, for classes that have boxes
    label: float = 0.3  # the region that a label of an image stands for
    negative_of_labels: float = 0.03  # an object of another class, for those with labels only
    num_steps: int = 60  # of the optimiser, at most


def fit_vectors(
    embeddings: Tensor,
    positive: Tensor,
    weights: Tensor,
    prior: Tensor,
    params: FitParams,
    biases: Tensor | None = None,
) -> Tensor:
    """Return the vectors (C, D) that tell positive regions from the others, near the prior.

    They minimise binary cross entropy, weighted and summed over regions, plus ``params.prior`` times
    the squared distance of directions. Classes without weight keep the prior.

    Args:
        embeddings: (K, R, D) regions in each stage, as class vectors are multiplied with.
        positive: (R, C) bool, whether a region shows an object of a class.
        weights: (R, C), 0 where nothing is known.
        prior: (C, D), as the classifier multiplies with; none is zero.
        biases: (K,) added to the logits of a stage.
    """
    if biases is None:
        biases = embeddings.new_zeros(len(embeddings))
    fitted = [
        _fit_some(embeddings, *of_classes, params, biases)
        for of_classes in zip(
            positive.split(_CLASSES, dim=1),
            weights.split(_CLASSES, dim=1),
            prior.split(_CLASSES),
            strict=True,
        )
    ]
    return torch.cat(fitted)


def mean_probability_loss(logits: Tensor, positive: Tensor) -> Tensor:
    """Return the binary cross entropy (R, C) of probabilities that are means over stages.

    >>> mean_probability_loss(torch.zeros(3, 1, 1), torch.tensor([[True]]))  # -log(0.5)
    tensor([[0.6931]])

    Args:
        logits: (K, R, C).
        positive: (R, C) bool.
    """
    # 1 - sigmoid(z) is sigmoid(-z). Logarithms are added, as a tiny probability has no gradient.
    signed = torch.where(positive, logits, -logits)
    return math.log(len(logits)) - F.logsigmoid(signed).logsumexp(dim=0)


def _fit_some(
    embeddings: Tensor,
    positive: Tensor,
    weights: Tensor,
    prior: Tensor,
    params: FitParams,
    biases: Tensor,
) -> Tensor:
    lengths = prior.norm(dim=1, keepdim=True)
    start = F.normalize(prior, dim=1).contiguous()
    vectors = start.clone().requires_grad_()
    # Classes with many positives do not hide those with few from the optimiser.
    scale = (weights * positive).sum(dim=0).clamp(min=1)
    optimizer = torch.optim.LBFGS(
        [vectors], max_iter=params.num_steps, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        directions = F.normalize(vectors, dim=1)
        logits = embeddings @ (directions * lengths).t() + biases[:, None, None]
        losses = (weights * mean_probability_loss(logits, positive)).sum(dim=0)
        distances = (directions - start).square().sum(dim=1)
        loss = ((losses + params.prior * distances) / scale).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    fitted = F.normalize(vectors.detach(), dim=1) * lengths
    return torch.where((weights > 0).any(dim=0)[:, None], fitted, prior)
