"""Whole images: objects placed on a background, with the visible mask of each.

Shapes: S side of the square image in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detic.shapes.background import draw_background, expose
from detic.shapes.classes import ShapeClass
from detic.shapes.drawing import Sprite, draw_sprite
from detic.shapes.masks import without_specks

SCENE_SIDE_PX = 128
SCENE_OBJECT_SIDES = (0.15, 0.45)  # of the image's side
MAX_HIDDEN = 0.35  # share of an object that later ones may cover
PLACEMENT_ATTEMPTS = 30

LABEL_SIDE_PX = 64
DOMINANT_SIDES = (0.65, 1.0)
DISTRACTOR_SIDES = (0.15, 0.4)


@dataclass(frozen=True)
class DrawnObject:
    """An object of an image: its class and the mask (S, S), bool, of its visible part."""

    shape_class: ShapeClass
    mask: np.ndarray


@dataclass(frozen=True)
class Image:
    """A finished image: (S, S, 3) uint8 RGB, and its objects from back to front."""

    rgb: np.ndarray
    objects: list[DrawnObject]


class _Canvas:
    """An image in the making, which knows the object that each pixel shows."""

    def __init__(self, side_px: int, rng: np.random.Generator):
        self.rgb = draw_background((side_px, side_px), rng)
        self.owners = np.full((side_px, side_px), -1)  # index of the object, -1 background
        self.classes: list[ShapeClass] = []
        self.full_areas_px: list[int] = []

    def hides_too_much(self, sprite: Sprite, corner_yx: tuple[int, int]) -> bool:
        """Return whether the sprite would leave too little visible of some earlier object."""
        on_canvas, on_sprite = _overlap(self.owners.shape, sprite.coverage.shape, corner_yx)
        covered = sprite.coverage[on_sprite] >= 0.5
        hidden_px = self._count(self.owners[on_canvas][covered])
        visible_px = self._count(self.owners) - hidden_px
        return bool((visible_px < (1 - MAX_HIDDEN) * np.array(self.full_areas_px)).any())

    def _count(self, owners: np.ndarray) -> np.ndarray:
        """Return how many of the pixels show each object, (len(self.classes),)."""
        return np.bincount(owners.ravel() + 1, minlength=len(self.classes) + 1)[1:]

    def paste(self, shape_class: ShapeClass, sprite: Sprite, corner_yx: tuple[int, int]) -> None:
        """Draw the sprite, its patch's upper left corner at ``corner_yx``, over what is there."""
        on_canvas, on_sprite = _overlap(self.owners.shape, sprite.coverage.shape, corner_yx)
        coverage = sprite.coverage[on_sprite]
        shaded = self.rgb[on_canvas] * (1 - sprite.shadow[on_sprite][..., None])
        opacity = coverage[..., None]
        self.rgb[on_canvas] = shaded * (1 - opacity) + sprite.rgb[on_sprite] * opacity
        self.owners[on_canvas][coverage >= 0.5] = len(self.classes)
        self.classes.append(shape_class)
        self.full_areas_px.append(int((coverage >= 0.5).sum()))

    def finished(self, rng: np.random.Generator) -> Image:
        """Return the image as the camera records it."""
        masks = [without_specks(self.owners == index) for index in range(len(self.classes))]
        objects = [
            DrawnObject(shape_class, mask)
            for shape_class, mask in zip(self.classes, masks, strict=True)
            if mask.any()
        ]
        return Image(expose(self.rgb, rng), objects)


def draw_scene(classes: Sequence[ShapeClass], rng: np.random.Generator) -> Image:
    """Return a scene with one object of each class given, from back to front.

    Every object keeps at least 65 % of its area in sight. An object for which there is no such
    place is left out.

    Args:
        classes: class of each object; a class may occur several times.
        rng: draws everything else.
    """
    canvas = _Canvas(SCENE_SIDE_PX, rng)
    for shape_class in classes:
        sprite = _draw(shape_class, SCENE_SIDE_PX, SCENE_OBJECT_SIDES, rng)
        for _ in range(PLACEMENT_ATTEMPTS):
            corner_yx = _random_corner(sprite, SCENE_SIDE_PX, rng)
            if not canvas.hides_too_much(sprite, corner_yx):
                canvas.paste(shape_class, sprite, corner_yx)
                break
    return canvas.finished(rng)


def draw_label_image(
    dominant: ShapeClass, distractors: Sequence[ShapeClass], rng: np.random.Generator
) -> Image:
    """Return an image that one object fills by 65-100 %, small distractors behind it.

    Args:
        dominant: class of the large object, the last of the image's objects.
        distractors: classes of the small objects.
        rng: draws everything else.
    """
    canvas = _Canvas(LABEL_SIDE_PX, rng)
    for shape_class in distractors:
        sprite = _draw(shape_class, LABEL_SIDE_PX, DISTRACTOR_SIDES, rng)
        canvas.paste(shape_class, sprite, _random_corner(sprite, LABEL_SIDE_PX, rng))
    sprite = _draw(dominant, LABEL_SIDE_PX, DOMINANT_SIDES, rng)
    canvas.paste(dominant, sprite, _random_corner(sprite, LABEL_SIDE_PX, rng))
    return canvas.finished(rng)


def _draw(
    shape_class: ShapeClass, image_px: int, sides: tuple[float, float], rng: np.random.Generator
) -> Sprite:
    return draw_sprite(shape_class.noun, shape_class.look, image_px * rng.uniform(*sides), rng)


def _random_corner(sprite: Sprite, image_px: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return a place for the patch at which the object itself lies inside the image."""
    corner = []
    for axis in (0, 1):
        covered = np.flatnonzero((sprite.coverage >= 0.5).any(axis=1 - axis))
        first, last = covered[0], covered[-1]
        corner.append(int(rng.integers(-first, max(image_px - last, 1 - first))))
    return corner[0], corner[1]


def _overlap(
    canvas_hw: tuple[int, int], patch_hw: tuple[int, int], corner_yx: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part that a patch and the canvas share, as slices of each."""
    on_canvas, on_patch = [], []
    for canvas_px, patch_px, corner in zip(canvas_hw, patch_hw, corner_yx, strict=True):
        start, stop = max(corner, 0), min(corner + patch_px, canvas_px)
        on_canvas.append(slice(start, stop))
        on_patch.append(slice(start - corner, stop - corner))
    return (on_canvas[0], on_canvas[1]), (on_patch[0], on_patch[1])
