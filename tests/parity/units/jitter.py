"""Large-scale jitter, alone and in the mapper of a source with boxes."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tests.parity.arrays import Arrays, every_nth, to_array
from tests.parity.determinism import seed_all
from tests.parity.images import draw_image
from tests.parity.ours import (
    AugmentationParams,
    MapperParams,
    T,
    TrainSources,
    base_config,
    build_train_augmentations,
    build_train_mapper,
)

# Side of the window, range of the scale
JITTERS = [(64, (0.1, 2.0)), (96, (0.5, 1.5)), (200, (0.1, 2.0))]
POINTS_XY = [[0.0, 0.0], [10.5, 20.25], [131.0, 90.0], [64.0, 45.0]]
BOXES_XYXY = [[10.0, 12.0, 60.0, 70.0]]
# Box (x, y, width, height), class and outline of the objects of an image of 120 x 160 pixels
OBJECTS = [
    ((10, 20, 50, 60), 3, (10, 20, 60, 20, 60, 70, 30, 75, 10, 70)),
    ((100, 5, 40, 30), 7, (100, 5, 140, 5, 120, 30)),
    ((70, 60, 85, 55), 2, (75, 65, 150, 60, 150, 110, 80, 110)),
]


def large_scale_jitter(folder: Path) -> Arrays:
    """Return images, points and boxes of drawn jitters, and examples of one record."""
    arrays: Arrays = {}
    for i, (side, scale) in enumerate(JITTERS):
        for seed in range(5):
            arrays |= _jitter(f"lsj/{i}_{seed}", jitter_config(side, scale), seed)
    seed_all(3)
    unfilled = T.AugInput(draw_image(90, 131, 3))
    steps = [T.ResizeScale(0.1, 0.5, 60, 80), T.FixedSizeCrop((50, 70), pad=False)]
    unfilled.apply_augmentations(steps)
    arrays["lsj/nopad.shape"] = np.array(unfilled.image.shape)
    cfg = jitter_config(96, (0.1, 2.0))
    mapper = build_train_mapper(
        MapperParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries
    )
    for seed in range(6):
        seed_all(seed)
        arrays |= _example(f"box/{seed}", mapper(_record(folder)))
    return arrays


def jitter_config(side: int, scale: tuple[float, float]):
    cfg = base_config()
    cfg.DATASETS.TRAIN = ("all",)
    cfg.MODEL.MASK_ON = True
    cfg.INPUT.FORMAT = "BGR"
    cfg.INPUT.CUSTOM_AUG = "LargeScaleJitter"
    cfg.INPUT.TRAIN_SIZE = side
    cfg.INPUT.SCALE_RANGE = scale
    return cfg


def _jitter(prefix: str, cfg, seed: int) -> Arrays:
    image = draw_image(90, 131, 3)
    source = TrainSources.from_config(cfg, 1).entries[0]
    seed_all(seed)
    aug_input = T.AugInput(image)
    transforms = aug_input.apply_augmentations(
        build_train_augmentations(AugmentationParams.from_config(cfg), source)
    )
    labels = (image[..., 0] > 120).astype(np.uint8)
    moved = transforms.apply_segmentation(labels)
    return {
        f"{prefix}.shape": np.array(aug_input.image.shape),
        f"{prefix}.image": every_nth(torch.from_numpy(aug_input.image.copy()), 500),
        f"{prefix}.seg": every_nth(torch.from_numpy(moved.copy()), 200),
        f"{prefix}.coords": transforms.apply_coords(np.array(POINTS_XY)),
        f"{prefix}.box": np.asarray(transforms.apply_box(np.array(BOXES_XYXY))),
    }


def _record(folder: Path) -> dict:
    path = folder / "image.png"
    if not path.exists():
        Image.fromarray(draw_image(120, 160, 9)).save(path)
    annotations = [
        {
            "bbox": list(map(float, box)),
            "bbox_mode": 1,  # XYWH_ABS
            "category_id": category,
            "segmentation": [list(map(float, outline))],
        }
        for box, category, outline in OBJECTS
    ]
    return {
        "file_name": str(path),
        "height": 120,
        "width": 160,
        "image_id": 1,
        "dataset_source": 0,
        "annotations": annotations,
    }


def _example(prefix: str, example: dict) -> Arrays:
    instances = example["instances"]
    return {
        f"{prefix}.image_shape": np.array(example["image"].shape),
        f"{prefix}.image": every_nth(example["image"], 400),
        f"{prefix}.size": np.array(instances.image_size),
        f"{prefix}.fields": np.array(sorted(instances.get_fields())),
        f"{prefix}.boxes": to_array(instances.gt_boxes.tensor),
        f"{prefix}.classes": instances.gt_classes.numpy(),
    }
