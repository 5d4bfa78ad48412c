"""Drawn images: waves under rectangles and discs, the same on every machine."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SIZES_HW = [(256, 320), (203, 285)]  # of the two images of a batch


def draw_image(height: int, width: int, seed: int) -> np.ndarray:
    """Return an RGB image (height, width, 3) uint8."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.stack([_waves(rng, x, y) for _ in range(3)], axis=2)
    for _ in range(9):
        _add_shape(rng, image, x, y)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def batch_image(index: int) -> Tensor:
    """Return image 0 or 1 of a batch, (3, H, W) uint8."""
    return channels_first(draw_image(*SIZES_HW[index], seed=100 + index))


def channels_first(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


# The order in which numbers are drawn is part of the image.


def _waves(rng: np.random.RandomState, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return one channel of the background."""
    draw: Callable[[float, float], float] = rng.uniform
    channel = 110 + 40 * np.sin(x / draw(9, 40) + draw(0, 6)) * np.cos(y / draw(9, 40) + draw(0, 6))
    height, width = x.shape
    channel += (
        25 * np.sin((x + y) / draw(4, 12)) + draw(-40, 40) * x / width + draw(-40, 40) * y / height
    )
    return channel


def _add_shape(rng: np.random.RandomState, image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Blend a textured rectangle or ellipse into ``image``."""
    height, width = x.shape
    left, top = rng.randint(0, width - 12), rng.randint(0, height - 12)
    w, h = rng.randint(8, max(9, width // 2)), rng.randint(8, max(9, height // 2))
    color, opacity = rng.uniform(0, 255, 3), rng.uniform(0.5, 1.0)
    if rng.rand() < 0.5:
        inside = (x >= left) & (x < left + w) & (y >= top) & (y < top + h)
    else:
        inside = ((x - left - w / 2) / (w / 2)) ** 2 + ((y - top - h / 2) / (h / 2)) ** 2 < 1
    texture = 1 + 0.3 * np.sin(x / rng.uniform(2, 6)) * np.sin(y / rng.uniform(2, 6))
    blended = (1 - opacity) * image + opacity * color * texture[..., None]
    image[inside] = blended[inside]
