"""Random number generators of the process, and the version of torch."""

import logging
import os
import random

import numpy as np
import torch

TORCH_VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])  # (major, minor)


def seed_all_rng(seed: int | None = None) -> None:
    """Seed the generators of Python, numpy and torch (all devices).

    Args:
        seed: below 2**32; None takes one from the operating system's entropy and logs it.
    """
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
        logging.getLogger(__name__).info("Using a random seed: %d", seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
