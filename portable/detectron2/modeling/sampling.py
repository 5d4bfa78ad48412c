"""Draw a fixed number of positive and negative examples."""

import torch

from ._sampling import subsample_batch


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
    return subsample_batch([labels], num_samples, positive_fraction, bg_label)[0]
