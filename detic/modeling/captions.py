"""Captions of a batch as a classifier, shared between processes.

Shapes: B images of this process, T captions of all processes, D embedding width.
"""

from collections.abc import Callable, Sequence

import torch
from detectron2.utils import comm
from torch import Tensor


@torch.no_grad()
def encode_captions(
    captions: Sequence[Sequence[str]], text_encoder: Callable[[list[str]], Tensor]
) -> Tensor:
    """Return the embedding of one random caption of each image, (B, D) float32."""
    drawn = [options[int(torch.randint(len(options), (1,)))] for options in captions]
    return text_encoder(drawn).float()


def gather_captions(own: Tensor) -> tuple[Tensor, int]:
    """Return the captions of all processes in rank order, and the row of this one's first.

    Args:
        own: (B, D); a process whose batch has boxes contributes zeros, so that all take part.

    Returns:
        (T, D) on the device of ``own``, and an index into it.
    """
    gathered = comm.all_gather(own.cpu())
    first = sum(len(rows) for rows in gathered[: comm.get_rank()])
    return torch.cat(gathered).to(own.device), first
