"""The probe's calling conventions on top of ours, where they differ."""

from pathlib import Path

import torch

from tests.parity import ours
from tests.parity.models import replace_classes


def load_class_freq(path, power):
    return ours.load_class_frequencies(path, power)


def get_fed_loss_inds(gt_classes, num_sample_cats, num_classes, weight=None):
    return ours.sample_federated_classes(gt_classes, num_sample_cats, num_classes, weight)


def heatmap_focal_loss(logits, targets, positive_inds, labels, reduction="sum", **params):
    assert reduction == "sum"
    params = ours.FocalParams(**params)
    return ours.heatmap_focal_loss(logits, targets, positive_inds, labels, params)


def binary_heatmap_focal_loss(logits, targets, positive_inds, **params):
    labels = torch.zeros_like(positive_inds)
    return heatmap_focal_loss(logits[:, None], targets[:, None], positive_inds, labels, **params)


class IOULoss:
    def __init__(self, kind):
        self.loss = ours.BOX_LOSSES[kind]

    def __call__(self, pred, target, weight=None, reduction="sum"):
        loss = self.loss(pred, target)
        if weight is not None:
            loss = loss * weight
        return loss.sum() if reduction == "sum" else loss


def ZeroShotClassifier(
    input_shape,
    *,
    num_classes,
    zs_weight_path,
    zs_weight_dim=512,
    use_bias=0.0,
    norm_weight=True,
    norm_temperature=50.0,
):
    random = zs_weight_path == "rand"
    return ours.ZeroShotClassifier(
        in_features=input_shape.channels,
        class_embeddings=(
            ours.random_embeddings(num_classes, zs_weight_dim)
            if random
            else ours.read_embeddings(zs_weight_path, zs_weight_dim, num_classes).embeddings
        ),
        normalize=norm_weight,
        temperature=norm_temperature,
        bias=use_bias if use_bias < 0 else None,
        learn_embeddings=random,
    )


def reset_cls_test(model, classifier, num_classes):
    """``classifier``: a file of (C, D) embeddings or a tensor (D, C)."""
    if isinstance(classifier, str | Path):
        dim = model.roi_heads.classifier.embedding_dim
        embeddings = ours.read_embeddings(classifier, dim, num_classes).embeddings
    else:
        embeddings = classifier.t()
    replace_classes(model, embeddings)
