"""A detector of random weights that finds something in any image, in a fraction of a second."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model
from safetensors.torch import save_file

from detic.predictor import Detector
from detic.predictor.inference_config import DetectionParams, inference_config
from detic.recipes import load_recipe
from detic.vocabulary import CLIPTextEncoder

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "configs" / "BoxSup-C2_LCOCO_CLIP_R18_640b32_4x.yaml"
EMBEDDING_DIM = 8
OVERRIDES = [
    *("MODEL.TIMM.PRETRAINED", "False"),
    *("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", str(EMBEDDING_DIM)),
    *("MODEL.ROI_BOX_HEAD.FC_DIM", "32"),
    *("MODEL.FPN.OUT_CHANNELS", "64"),
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", "16"),
    *("MODEL.CENTERNET.POST_NMS_TOPK_TEST", "40"),
    *("INPUT.MIN_SIZE_TEST", "64"),
    *("MODEL.ROI_HEADS.NMS_THRESH_TEST", "0.99"),  # random boxes hardly differ
]


@dataclass(frozen=True)
class TinyFiles:
    """What a tiny detector is made of."""

    weights: Path
    text_weights: Path

    def detector(self, vocabulary, **options) -> Detector:
        options = {"device": "cpu", "score_threshold": 0.0, "overrides": OVERRIDES} | options
        return Detector.from_config(
            RECIPE, self.weights, vocabulary, text_weights=self.text_weights, **options
        )


def write_tiny_files(folder: Path) -> TinyFiles:
    """Return the files of a tiny detector, written into ``folder``."""
    files = TinyFiles(folder / "detector.pth", folder / "clip.safetensors")
    torch.manual_seed(0)
    params = DetectionParams(score_threshold=0.0, one_class_per_proposal=True)
    cfg = inference_config(load_recipe(RECIPE, OVERRIDES), params, torch.device("cpu"))
    torch.save({"model": build_model(cfg).state_dict()}, files.weights)
    sizes = {"context_length": 12, "vocab_size": 1024, "width": 64, "heads": 1, "layers": 2}
    save_file(CLIPTextEncoder(**sizes, embed_dim=EMBEDDING_DIM).state_dict(), files.text_weights)
    return files


def noise(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """Return an image (height, width, 3) uint8 without meaning."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
