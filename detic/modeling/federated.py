"""Sampling of the classes a federated annotation can be trusted on.

LVIS annotates each image with some of its classes only. Classes that occur in a batch are positive;
a sample of the others, frequent classes first, stands for the negatives.

Shapes: C classes, S sampled classes.
"""

import json

import torch
from torch import Tensor

from detic.errors import InputError
from detic.paths import find_file

_SMALLEST = torch.finfo(torch.float32).tiny  # a weight that no class has


def load_class_frequencies(path: str, power: float) -> Tensor:
    """Return ``image_count ** power`` of each class, ordered by id.

    Args:
        path: json list of ``{"id": ..., "image_count": ...}`` in any order.

    Returns:
        (C,) float32.

    Raises:
        InputError: the file is missing or does not hold such a list.
    """
    if not path:
        raise InputError(
            "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH is empty: train_net.py counts the classes then; "
            "elsewhere name a json list of categories with image_count"
        )
    file = find_file(path)
    try:
        with open(file) as f:
            info = sorted(json.load(f), key=lambda category: category["id"])
        counts = [category["image_count"] for category in info]
    except FileNotFoundError as e:
        raise InputError(
            f"class frequencies {str(file)!r} not found; MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH must name a "
            "json list of categories with image_count (tools/get_lvis_cat_info.py writes it)"
        ) from e
    except (ValueError, TypeError, KeyError) as e:
        raise InputError(
            f"class frequencies {str(file)!r} must be a json list of categories with id and "
            f"image_count: {e!r}"
        ) from e
    return torch.tensor(counts, dtype=torch.float32) ** power


def sample_federated_classes(
    present: Tensor, num_sampled: int, num_classes: int, weights: Tensor | None = None
) -> Tensor:
    """Return the classes that occur, filled up with drawn ones to ``num_sampled``.

    The released models were trained with the background class ``num_classes`` counting as one that
    occurs, so it takes a place in the sample when ``present`` contains it.

    Args:
        present: (R,) int64 classes of the boxes, in ``[0, num_classes]``.
        num_sampled: S; more occurring classes are all returned.
        weights: (num_classes,) drawing weights; None: uniform.

    Returns:
        (S,) int64: the occurring classes ascending, then the drawn ones in drawn order; fewer
        if there are not as many with a weight.
    """
    present = present.unique()
    missing = num_sampled - len(present)
    if missing <= 0:
        return present
    if weights is None:
        weights = torch.ones(num_classes, device=present.device)
    probabilities = torch.cat([weights.float(), weights.new_zeros(1)])
    probabilities[present[present < len(probabilities)]] = 0
    missing = min(missing, int(probabilities.count_nonzero()))
    if missing == 0:
        return present
    return torch.cat([present, torch.multinomial(probabilities, missing)])


def federated_mask(
    gt_classes: Tensor, num_sampled: int, num_classes: int, frequencies: Tensor
) -> Tensor:
    """Return 1 for the classes of a federated sample and 0 for the others, (C,) float32.

    Args:
        gt_classes: (R,) int64 in ``[0, C]``; C is background.
        frequencies: drawing weights of the first classes; later ones are never drawn, but count
            when they occur.
    """
    occurs = torch.zeros(num_classes + 1, device=gt_classes.device).index_fill(0, gt_classes, 1)
    extra = frequencies.new_zeros(num_classes + 1 - len(frequencies))
    weights = torch.cat([frequencies.float(), extra]) * (1 - occurs)
    # How many classes occur is not read back: as many are drawn as may be needed, and the first of
    # them are taken. Classes without a weight come last and are not taken.
    weights = weights.clamp(min=_SMALLEST)
    drawn = _draw(weights, min(num_sampled, num_classes + 1))  # (S,)
    place = torch.arange(len(drawn), device=drawn.device)
    is_needed = (place < num_sampled - occurs.sum()) & (weights[drawn] > _SMALLEST)
    return occurs.index_add(0, drawn, is_needed.float())[:num_classes]


def _draw(weights: Tensor, count: int) -> Tensor:
    """Return ``count`` different indices drawn by positive ``weights`` (C,), in drawn order."""
    if weights.device.type == "cpu":
        return torch.multinomial(weights, count)
    return race(weights, count)  # the same, but multinomial reads back whether weights are valid


def race(weights: Tensor, count: int) -> Tensor:
    """Return what ``torch.multinomial`` does without replacement, (count,) int64.

    The first arrivals of independent processes whose rates are the ``weights``.
    """
    return (weights / torch.empty_like(weights).exponential_()).topk(count).indices
