"""What lies behind the objects, and what the camera does to the finished image.

Shapes: H, W image height and width in pixels.
"""

import colorsys

import cv2
import numpy as np

COARSE_PX = 48  # soft structures are drawn at this size and enlarged


def draw_background(size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a muted, textured background (H, W, 3), float32 in 0..255."""
    first, second = _muted_color(rng), _muted_color(rng)
    y, x = (np.indices((COARSE_PX, COARSE_PX), dtype=np.float32) + 0.5) / COARSE_PX
    coarse = _gradient(x, y, rng) * (second - first) + first
    coarse = coarse + _soft_noise(rng, cells=int(rng.integers(3, 7)), strength=rng.uniform(4, 14))
    for _ in range(rng.integers(2, 6)):
        blob = _blob(x, y, rng)
        coarse = coarse * (1 - blob) + _muted_color(rng) * blob
    image = cv2.resize(coarse.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(image + _grain(size_hw, rng), 0, 255).astype(np.float32)


def expose(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image as a camera records it: blur, contrast, brightness, sensor noise.

    Args:
        image: (H, W, 3), float32 in 0..255.
        rng: draws the strength of each effect.

    Returns:
        (H, W, 3) uint8.
    """
    blur_px = rng.uniform(0, 0.7)
    if blur_px > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur_px)
    contrast, brightness = rng.uniform(0.88, 1.1), rng.uniform(-14, 14)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, 6))
    exposed = (image - 128) * np.float32(contrast) + np.float32(128 + brightness) + noise
    return np.clip(np.round(exposed), 0, 255).astype(np.uint8)


def _muted_color(rng: np.random.Generator) -> np.ndarray:
    """Return a colour of low saturation (3,), float in 0..255."""
    return (
        np.array(
            colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.04, 0.26), rng.uniform(0.55, 0.92))
        )
        * 255
    )


def _gradient(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a ramp from 0 to about 1 in a random direction, (S, S, 1)."""
    angle = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    return np.clip(ramp, 0, 1)[..., None]


def _soft_noise(rng: np.random.Generator, cells: int, strength: float) -> np.ndarray:
    """Return noise, mostly grey, that varies over a ``cells``-th of the image, (S, S, 3)."""
    noise = rng.standard_normal((cells, cells, 3), dtype=np.float32) * np.float32(0.4)
    noise += rng.standard_normal((cells, cells, 1), dtype=np.float32)
    return cv2.resize(noise, (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_CUBIC) * strength


def _blob(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the opacity of one soft round patch, (S, S, 1) in 0..1."""
    cx, cy, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.1, 0.35)
    squared = ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
    return (rng.uniform(0.25, 0.7) * np.exp(-(squared**2)))[..., None]


def _grain(size_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return grey texture a few pixels fine, (H, W, 1), smeared along a random axis."""
    height, width = size_hw
    step_y, step_x = rng.integers(2, 9, size=2)
    cells = (int(np.ceil(height / step_y)), int(np.ceil(width / step_x)))
    noise = rng.standard_normal(cells, dtype=np.float32) * np.float32(rng.uniform(1, 7))
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
