"""Numbers that all processes of a training share."""

import torch
from detectron2.utils import comm
from torch import Tensor


def mean_over_processes(counts: Tensor) -> Tensor:
    """Return ``counts``, of any shape, averaged over processes; one process has its own."""
    world_size = comm.get_world_size()
    if world_size == 1:
        return counts
    total = counts.clone()
    torch.distributed.all_reduce(total)
    return total / world_size
