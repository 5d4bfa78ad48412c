"""Rows chosen by masks, asking an accelerator once for all of them how many they are."""

from collections.abc import Sequence

import torch


def rows_where(masks: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the indices of the true entries of each mask (N_i,), int64, ascending."""
    if not masks or masks[0].device.type == "cpu":
        return [mask.nonzero()[:, 0] for mask in masks]
    counts = torch.stack([mask.sum() for mask in masks]).tolist()
    return [
        mask.logical_not().byte().argsort(stable=True)[:count]
        for mask, count in zip(masks, counts, strict=True)
    ]
