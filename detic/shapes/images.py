"""The images of a world, one at a time: drawn, written and described for annotation files.

Each image depends on the seed and its own number only, so that processes can share the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from detic.shapes.annotation import TRAIN_RATES, VAL_RATES, FederationRates, annotate
from detic.shapes.classes import ShapeClass, draw_classes, long_tailed_weights
from detic.shapes.scene import Image, draw_label_image, draw_scene
from detic.shapes.streams import Stream, generator

OBJECTS_PER_SCENE = (3, 7)
MAX_DISTRACTORS = 2
JPEG_QUALITY = 92


@dataclass(frozen=True)
class SceneSplit:
    """One set of scenes."""

    folder: str  # where its images lie, below the world's folder
    stream: Stream  # the random numbers it is drawn from
    rates: FederationRates  # how completely it is annotated
    long_tailed: bool  # whether some classes are rarer than others


TRAIN_SPLIT = SceneSplit("train", Stream.TRAIN, TRAIN_RATES, long_tailed=True)
# AP is a mean over classes: with equal shares each class has enough objects to be measured.
VAL_SPLIT = SceneSplit("val", Stream.VAL, VAL_RATES, long_tailed=False)


@cache
def _classes_and_shares(
    seed: int, nouns: tuple[str, ...]
) -> tuple[tuple[ShapeClass, ...], np.ndarray]:
    classes = draw_classes(seed, nouns)
    return classes, long_tailed_weights(len(classes), generator(seed, Stream.FREQUENCIES))


def random_scene(
    classes: Sequence[ShapeClass], rng: np.random.Generator, shares: np.ndarray | None = None
) -> Image:
    """Return a scene of three to seven objects.

    Args:
        classes: what to draw from.
        rng: draws everything.
        shares: share of each class among the objects (len(classes),); without it all are alike.
    """
    low, high = OBJECTS_PER_SCENE
    chosen = rng.choice(len(classes), size=rng.integers(low, high + 1), p=shares)
    return draw_scene([classes[index] for index in chosen], rng)


def write_scene(
    number: int,
    *,
    root: Path,
    split: SceneSplit,
    seed: int,
    nouns: tuple[str, ...],
    scene_seed: int | None = None,
) -> tuple[dict, list[dict]]:
    """Write one scene; return its image entry and its annotations.

    Args:
        number: image id, from 1.
        root: folder of the world.
        split: the set it belongs to.
        seed: seed of the world.
        nouns: nouns of the world.
        scene_seed: for other scenes of the same classes; None: the seed of the world.
    """
    classes, shares = _classes_and_shares(seed, nouns)
    rng = generator(seed if scene_seed is None else scene_seed, split.stream, number)
    scene = random_scene(classes, rng, shares if split.long_tailed else None)
    class_ids = [shape_class.id for shape_class in classes]
    image_fields, annotations = annotate(scene, class_ids, split.rates, rng)
    image = _write(scene.rgb, root, f"{split.folder}/{number:06d}.jpg")
    annotations = [{"image_id": number, **entry} for entry in annotations]
    return {"id": number, **image, **image_fields}, annotations


def write_label_image(
    number: int, *, root: Path, per_class: int, seed: int, nouns: tuple[str, ...]
) -> dict:
    """Write one image that shows mainly one class; return its image entry.

    Args:
        number: image id, from 1: the images of the first class, of the second, ...
        root: folder of the world.
        per_class: images of each class.
        seed: seed of the world.
        nouns: nouns of the world.
    """
    classes, _ = _classes_and_shares(seed, nouns)
    class_index, place = divmod(number - 1, per_class)
    dominant = classes[class_index]
    rng = generator(seed, Stream.LABELS, dominant.id, place)
    distractors = rng.integers(len(classes), size=rng.integers(MAX_DISTRACTORS + 1))
    scene = draw_label_image(dominant, [classes[index] for index in distractors], rng)
    folder = dominant.name.replace(" ", "_")
    image = _write(scene.rgb, root, f"labels/{folder}/{place + 1:04d}.jpg")
    return {"id": number, **image, "pos_category_ids": [dominant.id]}


def _write(rgb: np.ndarray, root: Path, file_name: str) -> dict:
    """Write an image (H, W, 3) uint8; return the fields that any image entry has."""
    path = root / file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    if not cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), parameters):
        raise OSError(f"cannot write {path}")
    return {"file_name": file_name, "width": rgb.shape[1], "height": rgb.shape[0]}
