"""Numbers that a name alone decides: the weights, embeddings and inputs of all cases.

Shape legend: C classes, D embedding width.
"""

import math
import zlib
from functools import cache

import numpy as np
import torch

EMBEDDING_DIM = 512


def generator_of(name: str) -> np.random.Generator:
    """Return the random generator of a name."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return uniform float32 noise with mean 0 and variance 1."""
    uniform = generator_of(name).random(size=tuple(shape), dtype=np.float32)
    return (uniform - np.float32(0.5)) * np.float32(math.sqrt(12))


def tensor(name: str, shape: tuple[int, ...], scale: float = 1.0, shift: float = 0.0):
    """Return ``shift + scale * noise`` as a float32 tensor."""
    return torch.from_numpy(noise(f"probe/{name}", shape) * np.float32(scale) + np.float32(shift))


@cache
def common_direction() -> np.ndarray:
    """Return the unit vector (D,) that all class embeddings lean to, as CLIP's do."""
    v = noise(f"probe/common-direction/{EMBEDDING_DIM}", (EMBEDDING_DIM,)).astype(np.float64)
    return (v / np.linalg.norm(v)).astype(np.float32)


def class_embeddings(num_classes: int, tag: str = "a") -> np.ndarray:
    """Return embeddings (C, D) float32 of different lengths."""
    own = noise(f"probe/cls/{tag}/{num_classes}/{EMBEDDING_DIM}", (num_classes, EMBEDDING_DIM))
    own = own.astype(np.float64)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    length = 1.25 + 0.4 * noise(f"probe/cls-scale/{tag}/{num_classes}", (num_classes, 1))
    return ((0.4 * common_direction().astype(np.float64) + 0.92 * own) * length).astype(np.float32)


def class_counts(num_classes: int) -> list[dict]:
    """Return how many images each class has, in no order of ids; every seventh class has none."""
    counts = np.floor(np.exp(4 + 2 * noise(f"probe/freq/{num_classes}", (num_classes,))))
    counts[::7] = 0
    order = generator_of("probe/freq-order").permutation(num_classes)
    return [{"id": int(i) + 1, "image_count": int(counts[i])} for i in order]
