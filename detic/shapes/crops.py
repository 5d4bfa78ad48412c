"""Tight crops of drawn objects, the images that the tiny CLIP sees.

Shapes: N objects, K crops, S side of a scene in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detic.shapes.classes import ShapeClass
from detic.shapes.images import random_scene
from detic.shapes.masks import mask_to_box_xywh
from detic.shapes.streams import Stream, generator

CROP_SIDE_PX = 48
CONTEXT = (1.0, 1.35)  # side of the crop, relative to the longer side of the object's box
PLAIN_CONTEXT = 1.15
MAX_SHIFT = 0.08  # of the crop's centre, relative to the longer side of the box


@dataclass(frozen=True)
class CroppableObjects:
    """Objects in scenes of their own, which belong to no set of a world."""

    scenes: np.ndarray  # (scenes, S, S, 3) uint8 RGB
    scene_index: np.ndarray  # the scene of each object (N,)
    boxes_xywh: np.ndarray  # the box around its visible part (N, 4), pixels
    class_index: np.ndarray  # its place in the list of classes that was drawn from (N,)

    def __len__(self) -> int:
        return len(self.class_index)


def draw_objects(
    classes: Sequence[ShapeClass], num_scenes: int, seed: int, stream: Stream
) -> CroppableObjects:
    """Return the objects of freshly drawn scenes, all classes alike in frequency.

    Args:
        classes: what to draw from.
        num_scenes: number of scenes, three to seven objects each.
        seed: seed of the scenes.
        stream: the random numbers they are drawn from.
    """
    images = [random_scene(classes, generator(seed, stream, n)) for n in range(num_scenes)]
    place_of_id = {shape_class.id: place for place, shape_class in enumerate(classes)}
    rows = []
    for scene_index, image in enumerate(images):
        for drawn in image.objects:
            box_xywh = mask_to_box_xywh(drawn.mask)
            rows.append((scene_index, place_of_id[drawn.shape_class.id], *box_xywh))
    table = np.array(rows)
    scenes = np.stack([image.rgb for image in images])
    return CroppableObjects(scenes, table[:, 0], table[:, 2:], table[:, 1])


def cut_crops(
    objects: CroppableObjects, chosen: Sequence[int], rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return square crops around the chosen objects.

    Args:
        objects: where to cut from.
        chosen: indices of K objects.
        rng: draws context, shift and mirroring; without it every crop is centred, with 15 % of
            context.

    Returns:
        (K, 48, 48, 3) uint8 RGB.
    """
    crops = np.empty((len(chosen), CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8)
    for crop, index in zip(crops, chosen, strict=True):
        window = _window(objects.boxes_xywh[index], rng)
        scene = objects.scenes[objects.scene_index[index]]
        size_wh = (CROP_SIDE_PX, CROP_SIDE_PX)
        crop[:] = cv2.warpAffine(scene, window, size_wh, borderMode=cv2.BORDER_REPLICATE)
    return crops


def _window(box_xywh: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Return the affine map (2, 3) from the scene's pixels to those of the crop."""
    x, y, width, height = box_xywh
    side = max(width, height)
    context, shift, mirror = PLAIN_CONTEXT, np.zeros(2), 1
    if rng is not None:
        context, shift = rng.uniform(*CONTEXT), rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2)
        mirror = rng.choice((-1, 1))
    # Pixel centres lie at whole numbers for OpenCV, at halves for boxes.
    center = np.array([x + width / 2, y + height / 2]) + shift * side - 0.5
    scale = CROP_SIDE_PX / (context * side) * np.array([mirror, 1])
    middle = (CROP_SIDE_PX - 1) / 2
    return np.column_stack([np.diag(scale), middle - scale * center])
