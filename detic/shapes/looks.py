"""The five looks of the world: how the surface of an object is coloured.

A look is a paint function over the object's own coordinates, so that a pattern turns with the
object.

Shapes: P pixels high, Q pixels wide.
"""

from collections.abc import Callable

import numpy as np

Paint = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]

RED, BLUE, YELLOW = (216, 62, 56), (58, 112, 206), (240, 194, 58)
GREEN, PALE_GREEN = (46, 138, 76), (196, 228, 158)
PURPLE, PALE_PURPLE = (126, 74, 176), (232, 208, 246)

STRIPES_PER_SIDE = 5.0
DOTS_PER_SIDE = 4.5


def jittered_color(rgb: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Return the colour, slightly changed, as a float32 array (3,) in 0..255."""
    brightness = rng.uniform(0.9, 1.08)
    return np.clip(np.array(rgb) * brightness + rng.uniform(-10, 10, 3), 0, 255).astype(np.float32)


def _plain(rgb: tuple[int, int, int]) -> Paint:
    def paint(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.broadcast_to(jittered_color(rgb, rng), (*u.shape, 3))

    return paint


def _blended(weight: np.ndarray, on_rgb: np.ndarray, off_rgb: np.ndarray) -> np.ndarray:
    return weight[..., None] * on_rgb + (1 - weight[..., None]) * off_rgb


def _striped(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle, phase = np.radians(rng.uniform(25, 65)), rng.uniform(0, 2 * np.pi)
    frequency = 2 * np.pi * STRIPES_PER_SIDE * rng.uniform(0.85, 1.15)
    wave = np.sin(frequency * (u * np.cos(angle) + v * np.sin(angle)) + phase)
    light = np.clip(0.5 + 1.6 * wave, 0, 1)
    return _blended(light, jittered_color(PALE_GREEN, rng), jittered_color(GREEN, rng))


def _dotted(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    frequency = DOTS_PER_SIDE * rng.uniform(0.85, 1.15)
    shift_u, shift_v = rng.uniform(0, 1, 2)
    row = v * frequency * 2 / np.sqrt(3) + shift_v
    column = u * frequency + shift_u + 0.5 * (np.floor(row) % 2)  # odd rows are offset by half
    squared = (column % 1 - 0.5) ** 2 + (0.75**0.5 * (row % 1 - 0.5)) ** 2
    light = np.clip((0.3 - np.sqrt(squared)) * 8 + 0.5, 0, 1)
    return _blended(light, jittered_color(PALE_PURPLE, rng), jittered_color(PURPLE, rng))


PAINTS: dict[str, Paint] = {
    "red": _plain(RED),
    "blue": _plain(BLUE),
    "yellow": _plain(YELLOW),
    "green striped": _striped,
    "purple dotted": _dotted,
}
OUTLINES = {
    "red": RED,
    "blue": BLUE,
    "yellow": YELLOW,
    "green striped": GREEN,
    "purple dotted": PURPLE,
}
LOOKS = tuple(PAINTS)
