"""Draw a fixed number of positive and negative examples."""

import torch
from detectron2.layers import nonzero_tuple


def subsample_labels(
    labels: torch.Tensor, num_samples: int, positive_fraction: float, bg_label: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a random choice of positives and negatives without replacement.

    At most `int(num_samples * positive_fraction)` positives are drawn, and negatives fill up what
    is left of `num_samples`; fewer are returned where fewer exist.

    Args:
        labels: (N,) int; -1 is ignored, `bg_label` is negative, anything else is positive.
        num_samples: number of positives and negatives together.
        positive_fraction: largest share of positives, in [0, 1].
        bg_label: the label of negatives.

    Returns:
        Indices into `labels`, (P,) int64 of positives and (Q,) int64 of negatives.
    """
    (positive,) = nonzero_tuple((labels != -1) & (labels != bg_label))
    (negative,) = nonzero_tuple(labels == bg_label)
    chosen_positive = _draw(positive, int(num_samples * positive_fraction))
    chosen_negative = _draw(negative, num_samples - len(chosen_positive))
    return chosen_positive, chosen_negative


def _draw(candidates: torch.Tensor, count: int) -> torch.Tensor:
    order = torch.randperm(len(candidates), device=candidates.device)
    return candidates[order[:count]]
