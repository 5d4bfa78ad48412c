"""Recipes with random weights, and made-up batches for them: what measurements of speed need.

Shapes: B images, N objects of one image.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d
from detectron2.structures import Boxes, Instances, PolygonMasks

from detic.annotation import AnnotationKind
from detic.config import class_count
from detic.modeling import build_detector, meta_arch
from detic.recipes import load_recipe
from detic.vocabulary.text_encoder import CLIPTextEncoder

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
OBJECTS_PER_IMAGE = 12  # LVIS has 12.7
CORNERS_PER_POLYGON = 50


def random_recipe(
    name: str, folder: Path, device: str = "cpu", overrides: Sequence[str] = ()
) -> CfgNode:
    """Return a recipe of ``configs/`` that needs no files.

    Args:
        name: of the recipe, without its suffix.
        folder: for the made-up frequencies of its classes.
        device: that the model is put on.
        overrides: keys and values in turn.
    """
    path = CONFIGS / f"{name}.yaml"
    num_classes = class_count(load_recipe(path, overrides))
    frequencies = folder / f"frequencies_{num_classes}.json"
    counts = [{"id": i + 1, "image_count": 1 + i % 500} for i in range(num_classes)]
    frequencies.write_text(json.dumps(counts))
    files = {
        "MODEL.WEIGHTS": "",
        "MODEL.DEVICE": device,
        "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH": "rand",
        "MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH": str(frequencies),
    }
    return load_recipe(path, [*(part for pair in files.items() for part in pair), *overrides])


def random_detector(cfg: CfgNode, seed: int = 0) -> torch.nn.Module:
    """Return the model of a recipe with random weights, its caption encoder included.

    No frozen normalisation multiplies by 0, as the last of each block of timm's does at first.
    """
    torch.manual_seed(seed)
    build_text_encoder = meta_arch.build_text_encoder
    meta_arch.build_text_encoder = CLIPTextEncoder
    try:
        model = build_detector(cfg)
    finally:
        meta_arch.build_text_encoder = build_text_encoder
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d) and not module.weight.any():
            module.weight.fill_(0.2)
    return model


def training_batch(
    kind: AnnotationKind, size_hw: tuple[int, int], num_images: int, source: int = 0
) -> list[dict]:
    """Return B images of noise as the loader gives them, with objects where ``kind`` has boxes."""
    return [_example(kind, size_hw, seed, source) for seed in range(num_images)]


def test_batch(size_hw: tuple[int, int], num_images: int) -> list[dict]:
    """Return B images of noise without annotations."""
    examples = training_batch(AnnotationKind.IMAGE, size_hw, num_images)
    return [{key: x[key] for key in ("image", "height", "width")} for x in examples]


def annotation_kinds(cfg: CfgNode) -> list[AnnotationKind]:
    """Return what each source of a recipe is annotated with."""
    has_several = len(cfg.DATASETS.TRAIN) > 1
    return [AnnotationKind(k) for k in (cfg.DATALOADER.DATASET_ANN if has_several else ["box"])]


def _example(kind: AnnotationKind, size_hw: tuple[int, int], seed: int, source: int) -> dict:
    rng = np.random.default_rng(seed)
    height, width = size_hw
    image = torch.from_numpy(rng.integers(0, 256, (3, height, width), dtype=np.uint8))
    return {
        "image": image,
        "height": height,
        "width": width,
        "instances": _objects(rng, size_hw, OBJECTS_PER_IMAGE if kind.has_boxes else 0),
        "ann_type": kind.value,
        "pos_category_ids": [3, 7] if kind.has_image_labels else [],
        "captions": ["a cat on a table", "two birds"],
        "dataset_source": source,
    }


def _objects(rng: np.random.Generator, size_hw: tuple[int, int], count: int) -> Instances:
    """Return ``count`` round objects of all sizes that the image has room for."""
    side = min(size_hw)
    radii = side / 2 * 2.0 ** -rng.uniform(0.2, 4, (count, 1))
    centres = rng.uniform(radii, np.array(size_hw[::-1]) - radii)
    boxes = torch.from_numpy(np.hstack([centres - radii, centres + radii]).astype(np.float32))
    angles = np.linspace(0, 2 * np.pi, CORNERS_PER_POLYGON, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    polygons = [[(c + r * circle).reshape(-1)] for c, r in zip(centres, radii, strict=True)]
    instances = Instances(size_hw, gt_boxes=Boxes(boxes), gt_classes=torch.arange(count))
    if count:
        instances.gt_masks = PolygonMasks(polygons)
    return instances
