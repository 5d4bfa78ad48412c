"""How well the tiny CLIP names what it sees: retrieval of class names by fresh crops.

Shapes: N crops, C classes, D embedding width.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from detic.shapes.captions import NOUN_SYNONYMS, misspell
from detic.shapes.classes import ShapeClass
from detic.shapes.clip_model import ImageTower, standardized
from detic.shapes.crops import CroppableObjects, cut_crops, draw_objects
from detic.shapes.streams import Stream, generator
from detic.vocabulary.prompts import fill_template, resolve_template

BATCH = 256


def measure_retrieval(
    image_tower: ImageTower,
    text_encoder: nn.Module,
    classes: Sequence[ShapeClass],
    num_scenes: int,
    seed: int,
) -> dict[str, float]:
    """Return the share of crops for which the name of the right class comes first.

    Args:
        image_tower: embeds the crops.
        text_encoder: embeds the names.
        classes: the classes of a world, all of them candidates for each crop.
        num_scenes: scenes to cut the crops from; neither tower has seen them.
        seed: seed of the scenes.

    Returns:
        ``all``, ``base`` and ``novel`` crops by class name; all crops by names ``misspelt`` once
        and by ``synonyms`` of the noun.
    """
    objects = draw_objects(classes, num_scenes, seed, Stream.CAPTION_TEST_SCENES)
    features = embed_objects(image_tower, objects)
    names = [shape_class.name for shape_class in classes]
    slips = generator(seed, Stream.CAPTION_TEST_SCENES, num_scenes)
    misspelt = [misspell(name, slips) for name in names]
    synonyms = [f"{entry.look} {NOUN_SYNONYMS[entry.noun][0]}" for entry in classes]

    def hits(texts: list[str]) -> np.ndarray:
        return nearest_text(features, text_encoder, texts) == objects.class_index

    named = hits(names)
    novel = np.array([shape_class.novel for shape_class in classes])[objects.class_index]
    return {
        "all": float(named.mean()),
        "base": float(named[~novel].mean()),
        "novel": float(named[novel].mean()),
        "misspelt": float(hits(misspelt).mean()),
        "synonyms": float(hits(synonyms).mean()),
    }


@torch.no_grad()
def embed_objects(image_tower: ImageTower, objects: CroppableObjects) -> torch.Tensor:
    """Return the feature (N, D) of each object's plain crop."""
    image_tower.eval()
    batches = torch.arange(len(objects)).split(BATCH)
    crops = (standardized(cut_crops(objects, batch.tolist())) for batch in batches)
    return torch.cat([image_tower(batch) for batch in crops])


@torch.no_grad()
def nearest_text(
    features: torch.Tensor, text_encoder: nn.Module, names: Sequence[str]
) -> np.ndarray:
    """Return the index (N,) of the name nearest to each feature, under the template "a {}"."""
    text_encoder.eval()
    template = resolve_template("a")
    texts = text_encoder([fill_template(template, name) for name in names])
    return (F.normalize(features, dim=1) @ F.normalize(texts, dim=1).T).argmax(dim=1).numpy()
