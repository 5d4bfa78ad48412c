"""A classifier whose weights are text embeddings of the class names.

Shapes: R boxes, F feature width, C classes, D embedding width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ZeroShotClassifier(nn.Module):
    """Classifier of boxes by their similarity to class embeddings (paper, section 3.1).

    The embeddings live in the buffer ``zs_weight`` (D, C + 1): one column per class and a zero one
    for the background, whose logit is therefore 0 (plus bias).

    Args:
        class_embeddings: (C, D), not necessarily of unit length.
        normalize: cosine similarity times ``temperature`` instead of the plain product.
        bias: start of a learnable number added to every logit; None: no bias.
        learn_embeddings: make the embeddings a parameter.
    """

    zs_weight: Tensor

    def __init__(
        self,
        *,
        in_features: int,
        class_embeddings: Tensor,
        normalize: bool = True,
        temperature: float = 50.0,
        bias: float | None = None,
        learn_embeddings: bool = False,
    ):
        super().__init__()
        self.linear = nn.Linear(in_features, class_embeddings.shape[1])
        self.normalize = normalize
        self.temperature = temperature
        self.cls_bias = None if bias is None else nn.Parameter(torch.full((1,), bias))
        weight = self.columns(with_background(class_embeddings))
        if learn_embeddings:
            self.zs_weight = nn.Parameter(weight)
        else:
            self.register_buffer("zs_weight", weight)

    @property
    def num_classes(self) -> int:
        return self.zs_weight.shape[1] - 1

    @property
    def embedding_dim(self) -> int:
        return self.zs_weight.shape[0]

    def forward(self, x: Tensor, classifier: Tensor | None = None) -> Tensor:
        """Return class logits.

        Args:
            x: (R, F) box features.
            classifier: (K, D) embeddings of other classes than the model's; no background is added.

        Returns:
            (R, C + 1), background last, or (R, K).
        """
        weight = self.zs_weight if classifier is None else self.columns(classifier)
        return self.similarity(self.embed(x), weight)

    def embed(self, x: Tensor) -> Tensor:
        """Return box features (R, F) in the space of the texts, (R, D), scaled."""
        x = self.linear(x)
        return self.temperature * F.normalize(x, dim=1) if self.normalize else x

    def similarity(self, embedded: Tensor, weight: Tensor) -> Tensor:
        """Return logits (R, K) of embedded boxes (R, D) and columns ``weight`` (D, K)."""
        logits = embedded @ weight
        return logits if self.cls_bias is None else logits + self.cls_bias

    def columns(self, embeddings: Tensor) -> Tensor:
        """Return embeddings (K, D) as columns (D, K), normalised if the classifier does so."""
        embeddings = embeddings.float()
        if self.normalize:
            embeddings = F.normalize(embeddings, dim=1)  # a zero row stays zero
        return embeddings.t().clone(memory_format=torch.contiguous_format)


def with_background(class_embeddings: Tensor) -> Tensor:
    """Return ``class_embeddings`` (C, D) with a zero row for the background, (C + 1, D)."""
    return F.pad(class_embeddings, (0, 0, 0, 1))
