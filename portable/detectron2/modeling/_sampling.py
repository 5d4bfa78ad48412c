"""Examples drawn for all images of a batch, asking an accelerator once how many there are."""

from collections.abc import Sequence

import torch

from ._rows import rows_where


def subsample_batch(
    labels: Sequence[torch.Tensor], num_samples: int, positive_fraction: float, bg_label: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return what `subsample_labels` does for the labels of each image, (N_i,)."""
    is_negative = [of_image == bg_label for of_image in labels]
    is_positive = [(of_image != -1) & (of_image != bg_label) for of_image in labels]
    rows = rows_where(is_positive + is_negative)
    chosen = []
    for positive_rows, negative_rows in zip(rows[: len(labels)], rows[len(labels) :], strict=True):
        drawn = _draw(positive_rows, int(num_samples * positive_fraction))
        chosen.append((drawn, _draw(negative_rows, num_samples - len(drawn))))
    return chosen


def _draw(candidates: torch.Tensor, count: int) -> torch.Tensor:
    order = torch.randperm(len(candidates), device=candidates.device)
    return candidates[order[:count]]
