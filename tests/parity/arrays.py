"""Tensors as they were recorded."""

import numpy as np
import torch
from torch import Tensor

Arrays = dict[str, np.ndarray]  # "<item>/<rest>" -> array


def to_array(t: Tensor) -> np.ndarray:
    """Return ``t`` as float32."""
    return t.detach().cpu().double().numpy().astype(np.float32)


def every_nth(t: Tensor, limit: int = 2000) -> np.ndarray:
    """Return at most ``limit`` evenly spread numbers of a large tensor."""
    flat = to_array(t).reshape(-1)
    return flat[:: max(1, len(flat) // limit)][:limit]


def statistics(t: Tensor) -> np.ndarray:
    """Return mean, standard deviation and largest magnitude."""
    a = to_array(t)
    return np.array([a.mean(), a.std(), np.abs(a).max()], np.float32)


def coarse(masks: Tensor, side: int = 8) -> np.ndarray:
    """Return the covered share of each of ``side * side`` parts of masks (N, H, W)."""
    if len(masks) == 0:
        return np.zeros((0, side, side), np.float16)
    pooled = torch.nn.functional.adaptive_avg_pool2d(masks.float()[:, None], side)
    return pooled[:, 0].cpu().numpy().astype(np.float16)
