"""The classifier a recipe asks for: text embeddings or a closed linear layer."""

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier, random_embeddings
from detic.paths import dataset_path
from detic.vocabulary.model_classes import model_embeddings

# MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH of a model whose vocabulary is set after building.
_RANDOM = "rand"


def build_classifier(cfg, in_features: int) -> ZeroShotClassifier | nn.Linear:
    """Return a module from (R, in_features) to logits (R, C + 1)."""
    node = cfg.MODEL.ROI_BOX_HEAD
    num_classes = cfg.MODEL.ROI_HEADS.NUM_CLASSES
    if not node.USE_ZEROSHOT_CLS:
        # Rare positives: a sigmoid classifier starts at their prior probability.
        prior = node.PRIOR_PROB if node.USE_SIGMOID_CE else 0.5
        return normal_linear(
            in_features, num_classes + 1, std=0.01, bias=-math.log((1 - prior) / prior)
        )
    if node.ZEROSHOT_WEIGHT_PATH == _RANDOM:
        embeddings = random_embeddings(num_classes, node.ZEROSHOT_WEIGHT_DIM)
    else:
        embeddings = model_embeddings(
            dataset_path(node.ZEROSHOT_WEIGHT_PATH),
            text_weights=cfg.MODEL.TEXT_ENCODER.WEIGHTS,
            prompt=cfg.MODEL.TEXT_ENCODER.PROMPT,
            embedding_dim=node.ZEROSHOT_WEIGHT_DIM,
            num_classes=num_classes,
        )
    return ZeroShotClassifier(
        in_features=in_features,
        class_embeddings=embeddings,
        normalize=node.NORM_WEIGHT,
        temperature=node.NORM_TEMP,
        bias=node.USE_BIAS if node.USE_BIAS < 0 else None,
        learn_embeddings=node.ZEROSHOT_WEIGHT_PATH == _RANDOM,
    )


def class_logits_by_slice(
    classifier: ZeroShotClassifier | nn.Linear, x: Tensor, embeddings: Tensor | None = None
) -> Callable[[slice], Tensor]:
    """Return a function from a slice of the C + 1 columns to logits (R, K).

    Args:
        x: (R, in_features) box features.
        embeddings: (C + 1, D) classes in place of a zero-shot classifier's own.
    """
    if isinstance(classifier, nn.Linear):
        return lambda columns: F.linear(x, classifier.weight[columns], classifier.bias[columns])
    embedded = classifier.embed(x)
    weight = classifier.zs_weight if embeddings is None else classifier.columns(embeddings)
    return lambda columns: classifier.similarity(embedded, weight[:, columns])


def normal_linear(
    in_features: int, out_features: int, std: float = 0.001, bias: float = 0.0
) -> nn.Linear:
    """Return a linear layer with normal weights and a constant bias."""
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=std)
    nn.init.constant_(layer.bias, bias)
    return layer
