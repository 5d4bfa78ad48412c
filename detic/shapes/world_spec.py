"""What a world is made from, and how a finished world tells it."""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

from detic.errors import InputError
from detic.shapes.classes import ShapeClass, draw_classes
from detic.shapes.nouns import BENCHMARK_NOUNS

GENERATOR_VERSION = 1  # rises whenever the same seed gives other images
FOLDER = "shapes"
MANIFEST = "world.json"


@dataclass(frozen=True)
class WorldSpec:
    """What a world is made from; equal specifications give equal files."""

    seed: int  # decides everything that is drawn
    train_images: int = 1000  # number of scenes to train on
    val_images: int = 200  # number of scenes to evaluate on
    labels_per_class: int = 30  # number of label images of each class
    nouns: tuple[str, ...] = BENCHMARK_NOUNS  # the nouns, each of which gives four classes
    version: int = GENERATOR_VERSION  # version of the generator

    @property
    def classes(self) -> tuple[ShapeClass, ...]:
        """The classes, ids from 1."""
        return draw_classes(self.seed, self.nouns)


def read_world_spec(root: str | os.PathLike) -> WorldSpec:
    """Return what the world below the datasets root was made from.

    Raises:
        InputError: there is no finished world, or an entry of its manifest is not known.
    """
    path = Path(root) / FOLDER / MANIFEST
    if not path.is_file():
        raise InputError(
            f"no shapes world at {path.parent}; draw it with "
            f"`python -m detic.shapes.world --root {root} --seed 0`"
        )
    entries = json.loads(path.read_text(encoding="utf-8"))
    if set(entries) != {field.name for field in fields(WorldSpec)}:
        raise InputError(f"{path} was not written by this generator; draw the world anew")
    return WorldSpec(**{**entries, "nouns": tuple(entries["nouns"])})
