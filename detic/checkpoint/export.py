"""Small weight files out of training checkpoints."""

import os

import torch

from detic.checkpoint.weight_file import read_weights, write_checkpoint


def export_weights(checkpoint: str | os.PathLike, path: str | os.PathLike) -> None:
    """Write the model of a checkpoint alone, in half precision.

    Args:
        checkpoint: what a training wrote; see :func:`detic.checkpoint.read_weights`.
        path: of the file to write.
    """
    tensors = read_weights(checkpoint)
    halved = {
        name: tensor.half() if tensor.dtype == torch.float32 else tensor
        for name, tensor in tensors.items()
    }
    write_checkpoint(path, {"model": halved})
