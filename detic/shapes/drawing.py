"""One object, drawn: a silhouette in a look, rotated, antialiased, outlined and shaded.

Shapes: P pixels high, Q pixels wide (a patch just large enough for the object and its soft shadow).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from detic.shapes.looks import OUTLINES, PAINTS
from detic.shapes.nouns import silhouette

SUPERSAMPLING = 4
OUTLINE_WIDTH = 0.038  # of the object's side
MIN_OUTLINE_PX = 0.75
OUTLINE_BRIGHTNESS = 0.42  # relative to the look's colour
MARGIN = 0.12  # around the object, of its side: room for the shadow
MAX_TILT_DEG = 18.0
FRACTION_BITS = 4  # OpenCV draws polygons from fixed-point coordinates


@dataclass(frozen=True)
class Sprite:
    """An object cut out of its patch."""

    rgb: np.ndarray  # colours (P, Q, 3), float32 in 0..255
    coverage: np.ndarray  # how much of each pixel the object covers (P, Q), float32 in 0..1
    shadow: np.ndarray  # how much of the light its shadow takes away (P, Q), float32 in 0..1


def draw_sprite(noun: str, look: str, side_px: float, rng: np.random.Generator) -> Sprite:
    """Return the noun in the look, its longer side measuring ``side_px`` pixels.

    Args:
        noun: one of ``detic.shapes.nouns.ALL_NOUNS``.
        look: one of ``detic.shapes.looks.LOOKS``.
        side_px: longer side of the object's upright bounding box, in pixels.
        rng: draws the tilt (up to 18 degrees either way), proportions, colours and pattern.
    """
    form = silhouette(noun)
    to_pixels, size_hw = _placement(form.solids, side_px, rng)
    fine_body = _filled(form.solids, to_pixels, size_hw)
    fine_body[_filled(form.holes, to_pixels, size_hw) > 0] = 0
    depth_px = cv2.distanceTransform(fine_body, cv2.DIST_L2, 3) / SUPERSAMPLING
    fine_ink = _filled(form.marks, to_pixels, size_hw)
    fine_ink[depth_px < max(MIN_OUTLINE_PX, OUTLINE_WIDTH * side_px)] = 255

    coverage, ink = _shrunk(fine_body, size_hw), _shrunk(fine_ink, size_hw)[..., None]
    surface = PAINTS[look](*_own_coordinates(to_pixels, size_hw), rng)
    surface = surface * _shading(coverage, side_px)[..., None]
    outline = np.array(OUTLINES[look], np.float32) * OUTLINE_BRIGHTNESS
    rgb = np.clip(surface * (1 - ink) + outline * ink, 0, 255).astype(np.float32)
    return Sprite(rgb, coverage, _shadow(coverage, side_px, rng))


def _placement(
    solids: list[np.ndarray], side_px: float, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the affine map (2, 3) from the unit square to the patch, and the patch's size."""
    tilt = np.radians(rng.uniform(-MAX_TILT_DEG, MAX_TILT_DEG))
    stretch = np.diag([1, rng.uniform(0.92, 1.08)])
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]) @ stretch
    corners = np.concatenate(solids) @ turn.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = side_px / (high - low).max()
    margin = MARGIN * side_px + 1
    offset = margin - low * scale + rng.uniform(0, 1, 2)  # any position within a pixel
    width, height = np.ceil((high - low) * scale + 2 * margin + 1).astype(int)
    return np.column_stack([turn * scale, offset]), (int(height), int(width))


def _filled(
    polygons: list[np.ndarray], to_pixels: np.ndarray, size_hw: tuple[int, int]
) -> np.ndarray:
    """Return the union of the polygons as 0 or 255, (P, Q) times the supersampling, uint8."""
    fine = np.zeros((size_hw[0] * SUPERSAMPLING, size_hw[1] * SUPERSAMPLING), np.uint8)
    for polygon in polygons:
        fine_xy = (polygon @ to_pixels[:, :2].T + to_pixels[:, 2]) * SUPERSAMPLING - 0.5
        fixed = np.round(fine_xy * 2**FRACTION_BITS).astype(np.int32)
        cv2.fillPoly(fine, [fixed], 255, shift=FRACTION_BITS)
    return fine


def _shrunk(fine: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return the supersampled mask averaged to pixels, (P, Q) float32 in 0..1."""
    shrunk = cv2.resize(fine, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.float32) / 255


def _own_coordinates(
    to_pixels: np.ndarray, size_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of each pixel centre in the unit square of the object, (P, Q) each."""
    height, width = size_hw
    x = (np.arange(width, dtype=np.float32) + 0.5)[None, :] - to_pixels[0, 2]
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None] - to_pixels[1, 2]
    back = np.linalg.inv(to_pixels[:, :2])
    return back[0, 0] * x + back[0, 1] * y, back[1, 0] * x + back[1, 1] * y


def _shading(coverage: np.ndarray, side_px: float) -> np.ndarray:
    """Return the light on a softly rounded body lit from the upper left, (P, Q) around 1."""
    height = cv2.GaussianBlur(coverage, (0, 0), 0.05 * side_px + 0.5) * side_px * 0.16
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.clip(1 + 0.22 * (slope_x + slope_y), 0.72, 1.25)


def _shadow(coverage: np.ndarray, side_px: float, rng: np.random.Generator) -> np.ndarray:
    """Return a soft shadow falling to the lower right, (P, Q) float32."""
    shift = np.array([[1, 0, 0.035 * side_px], [0, 1, 0.05 * side_px]], np.float32)
    cast = cv2.warpAffine(coverage, shift, coverage.shape[::-1])
    return cv2.GaussianBlur(cast, (0, 0), 0.03 * side_px + 0.4) * rng.uniform(0.25, 0.5)
