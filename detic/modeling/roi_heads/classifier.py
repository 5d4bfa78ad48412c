"""The classifier a recipe asks for: text embeddings or a closed linear layer."""

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from detic.errors import InputError
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier, random_embeddings
from detic.paths import find_file
from detic.vocabulary.embedding_file import read_embeddings
from detic.vocabulary.model_classes import embed_class_list, is_class_list

# MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH of a model whose vocabulary is set after building.
RANDOM = "rand"


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
    return ZeroShotClassifier(
        in_features=in_features,
        class_embeddings=_class_embeddings(cfg),
        normalize=node.NORM_WEIGHT,
        temperature=node.NORM_TEMP,
        bias=node.USE_BIAS if node.USE_BIAS < 0 else None,
        learn_embeddings=node.ZEROSHOT_WEIGHT_PATH == RANDOM,
    )


def _class_embeddings(cfg) -> Tensor:
    """Return the embeddings (C, D) of a zero-shot classifier."""
    node = cfg.MODEL.ROI_BOX_HEAD
    num_classes, dim = cfg.MODEL.ROI_HEADS.NUM_CLASSES, node.ZEROSHOT_WEIGHT_DIM
    if node.ZEROSHOT_WEIGHT_PATH == RANDOM:
        return random_embeddings(num_classes, dim)
    path = find_file(node.ZEROSHOT_WEIGHT_PATH)
    if is_class_list(path):
        text_encoder = cfg.MODEL.TEXT_ENCODER
        return embed_class_list(path, text_encoder.WEIGHTS, text_encoder.PROMPT, dim, num_classes)
    # add_detic_config alone, as upstream programs call it, declares no text encoder.
    text_weights = cfg.MODEL.TEXT_ENCODER.WEIGHTS if "TEXT_ENCODER" in cfg.MODEL else None
    return read_embeddings(path, dim, num_classes, text_weights).embeddings


def class_logits_by_slice(
    classifier: ZeroShotClassifier | nn.Linear, x: Tensor, embeddings: Tensor | None = None
) -> Callable[[slice], Tensor]:
    """Return a function from a slice of the C + 1 columns to logits (R, K).

    Args:
        x: (R, in_features) box features.
        embeddings: (C + 1, D) classes in place of a zero-shot classifier's own.
    """
    if isinstance(classifier, nn.Linear):
        if embeddings is not None:
            raise InputError(
                "this model knows only the classes it was trained on (USE_ZEROSHOT_CLS False); "
                "choose a recipe with CLIP in its name"
            )
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
