"""Rows chosen by masks, without waiting for a GPU more often than needed.

``portable/`` has a copy for its own heads: as a stand-in for Detectron2 it imports nothing of ours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def rows_where(masks: Sequence[Tensor]) -> list[Tensor]:
    """Return the indices of the true entries of each mask (N_i,), int64, ascending.

    How many they are has to be known before a GPU goes on; it is asked once for all masks.

    >>> rows_where([torch.tensor([False, True, True])])
    [tensor([1, 2])]
    """
    if not masks or masks[0].device.type == "cpu":
        return [mask.nonzero()[:, 0] for mask in masks]
    counts = torch.stack([mask.sum() for mask in masks]).tolist()
    return [
        mask.logical_not().byte().argsort(stable=True)[:count]
        for mask, count in zip(masks, counts, strict=True)
    ]
