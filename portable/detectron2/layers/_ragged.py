"""Groups of different sizes, one after the other."""

import torch


def group_starts(counts: torch.Tensor) -> torch.Tensor:
    """Return where each group starts, for groups of `counts` members; of the same shape.

    >>> group_starts(torch.tensor([2, 0, 1]))
    tensor([0, 2, 2])
    """
    return (counts.flatten().cumsum(0) - counts.flatten()).view(counts.shape)


def expand_groups(counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the group of each member, and its place in the group.

    >>> expand_groups(torch.tensor([2, 0, 1]))
    (tensor([0, 0, 2]), tensor([0, 1, 0]))
    """
    counts = counts.flatten()
    group = torch.repeat_interleave(counts)
    return group, torch.arange(len(group)) - group_starts(counts)[group]
