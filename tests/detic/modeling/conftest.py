"""Small recipes, and batches of every kind of annotation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances, PolygonMasks

from detic.modeling import meta_arch
from detic.recipes import load_recipe
from detic.vocabulary.text_encoder import CLIPTextEncoder

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
NUM_CLASSES = 30
SIDE = 96  # pixels
SMALL = [
    *("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "FP16", "False"),
    *("MODEL.ROI_HEADS.NUM_CLASSES", str(NUM_CLASSES)),
    *("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "16"),
    *("MODEL.ROI_BOX_HEAD.FC_DIM", "64", "MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT", "10"),
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", "16", "MODEL.FPN.OUT_CHANNELS", "64"),
    # The sizes of interest for images of this size: every level has an object.
    *("MODEL.CENTERNET.SOI", "[[0, 10], [8, 20], [16, 40], [32, 60], [50, 10000]]"),
    *("MODEL.CENTERNET.POST_NMS_TOPK_TRAIN", "20", "MODEL.NUM_SAMPLE_CATS", "10"),
    *("MODEL.RPN.PRE_NMS_TOPK_TRAIN", "100", "MODEL.RPN.POST_NMS_TOPK_TRAIN", "20"),
    *("MODEL.DETR.NUM_CLASSES", str(NUM_CLASSES), "MODEL.DETR.NUM_OBJECT_QUERIES", "20"),
    *("MODEL.DETR.ENC_LAYERS", "1", "MODEL.DETR.DEC_LAYERS", "2", "MODEL.DETR.HIDDEN_DIM", "64"),
    *("MODEL.DETR.DIM_FEEDFORWARD", "32"),
]

# Classifies against all classes in training, too
WHOLE = ["MODEL.DYNAMIC_CLASSIFIER", "False"]


@pytest.fixture
def small_recipe(tmp_path):
    """A function from the name of a recipe and overrides to a configuration that builds quickly."""
    embeddings = np.random.default_rng(0).normal(size=(NUM_CLASSES, 512)).astype(np.float32)
    np.save(tmp_path / "classes.npy", embeddings)
    frequencies = [{"id": i + 1, "image_count": 5 + i} for i in range(NUM_CLASSES)]
    (tmp_path / "frequencies.json").write_text(json.dumps(frequencies))
    files = [
        *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH", str(tmp_path / "classes.npy")),
        *("MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH", str(tmp_path / "frequencies.json")),
    ]

    def small(name, *overrides):
        return load_recipe(CONFIGS / f"{name}.yaml", [*SMALL, *files, *overrides])

    return small


def make_batch(kind, dataset_source, num_images=2):
    """Return a training batch of noise with the annotation ``kind``."""
    return [_example(kind, dataset_source, seed) for seed in range(num_images)]


def _example(kind, dataset_source, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    sides = torch.tensor([10.0, 20.0, 40.0, 70.0, SIDE])
    corners = torch.tensor([4.0, 10.0, 30.0, 10.0, 0.0])
    boxes = torch.stack([corners, corners, corners + sides, corners + sides], dim=1)
    if kind in ("image", "caption", "captiontag"):
        boxes = boxes[:0]
    instances = Instances((SIDE, SIDE), gt_boxes=Boxes(boxes))
    instances.gt_classes = torch.arange(len(boxes)) + seed
    if len(boxes):
        instances.gt_masks = PolygonMasks([[_corners(box)] for box in boxes.numpy()])
    return {
        "image": image,
        "instances": instances,
        "ann_type": kind,
        "pos_category_ids": [3, 7] if "image" in kind or "tag" in kind else [],
        "captions": ["a cat on a table", "two birds"],
        "dataset_source": dataset_source,
        "height": SIDE,
        "width": SIDE,
    }


def _corners(box):
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([x0, y0, x1, y0, x1, y1, x0, y1])


@pytest.fixture
def tiny_text_encoder(monkeypatch):
    """Captions go through a small random encoder instead of CLIP's."""
    monkeypatch.setattr(
        meta_arch,
        "build_text_encoder",
        lambda: CLIPTextEncoder(width=64, heads=1, layers=1, vocab_size=1024, embed_dim=512),
    )
