"""Training and test examples of the box-supervised Deformable DETR recipes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.parity.arrays import Arrays, every_nth, to_array
from tests.parity.determinism import seed_all
from tests.parity.images import draw_image
from tests.parity.ours import (
    CfgNode,
    EvaluationMapper,
    ImageReader,
    MapperParams,
    TrainSources,
    base_config,
    build_test_augmentations,
    build_train_mapper,
)

SIZE_HW = (300, 400)
# XYWH in a picture of 120 x 160, and class; the last object is a crowd
OBJECTS = [
    ((10, 20, 50, 60), 3),
    ((100, 5, 40, 30), 7),
    ((70, 60, 85, 55), 2),
    ((1, 1, 30, 30), 9),
]
COMMON = [
    *("INPUT.CUSTOM_AUG", "DETR", "INPUT.FORMAT", "RGB", "MODEL.MASK_ON", False),
    *("INPUT.MIN_SIZE_TRAIN", (96, 128, 160), "INPUT.MAX_SIZE_TRAIN", 220),
    *("INPUT.MIN_SIZE_TEST", 100, "INPUT.MAX_SIZE_TEST", 120),
]
CROPS = {
    "crop": [
        *("INPUT.CROP.ENABLED", True, "INPUT.CROP.TYPE", "absolute_range"),
        *("INPUT.CROP.SIZE", (384, 600)),
    ],
    "nocrop": ["INPUT.CROP.ENABLED", False],
}


def detr_mapper(folder: Path) -> Arrays:
    """Return what becomes of one record for several seeds, with crops and without."""
    record = _record(folder)
    arrays: Arrays = {}
    for name, crop in CROPS.items():
        cfg = base_config()
        cfg.merge_from_list([*COMMON, *crop])
        for use in ("train", "test"):
            mapper = build_detr_mapper(cfg, use == "train")
            for seed in range(8 if (name, use) == ("crop", "train") else 2):
                seed_all(seed)
                arrays |= _example(f"{name}_{use}/{seed}", mapper(dict(record)))
    return arrays


def build_detr_mapper(cfg: CfgNode, is_train: bool) -> Callable[[dict], dict]:
    """Return what makes an example of a record."""
    if not is_train:
        return EvaluationMapper(ImageReader(cfg.INPUT.FORMAT), build_test_augmentations(cfg))
    cfg = cfg.clone()
    cfg.DATASETS.TRAIN = ("all",)
    sources = TrainSources.from_config(cfg, 1).entries
    mapper = build_train_mapper(MapperParams.from_config(cfg), sources)
    return lambda record: mapper(record | {"dataset_source": 0})


def _record(folder: Path) -> dict:
    height, width = SIZE_HW
    path = folder / "image.png"
    Image.fromarray(draw_image(height, width, seed=9)).save(path)
    scale = height / 120
    annotations = [
        {"bbox": [side * scale for side in box], "bbox_mode": 1, "category_id": category}
        for box, category in OBJECTS
    ]
    annotations[-1]["iscrowd"] = 1
    record = {"file_name": str(path), "height": height, "width": width, "image_id": 1}
    return record | {"annotations": annotations}


def _example(prefix: str, example: dict) -> Arrays:
    arrays = {
        f"{prefix}.image_shape": np.array(example["image"].shape),
        f"{prefix}.image": every_nth(example["image"].float(), 400),
    }
    if "instances" in example:
        objects = example["instances"]
        arrays |= {
            f"{prefix}.size": np.array(objects.image_size),
            f"{prefix}.fields": np.array(sorted(objects.get_fields())),
            f"{prefix}.boxes": to_array(objects.gt_boxes.tensor),
            f"{prefix}.classes": objects.gt_classes.numpy(),
        }
    return arrays
