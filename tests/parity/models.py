"""The detector of a case: a published recipe, made smaller, with weights that its names decide."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.determinism import ZerosForNoise, seed_all, without_dropout
from tests.parity.noise import class_counts, class_embeddings
from tests.parity.ours import CfgNode, base_config, build_model, with_background
from tests.parity.recorded import Case
from tests.parity.values import fill_weights

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

SMALLER = [
    *("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "FP16", False, "MODEL.TIMM.PRETRAINED", False),
    *("MODEL.CENTERNET.POST_NMS_TOPK_TRAIN", 200, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 128),
    *("TEST.DETECTIONS_PER_IMAGE", 100),
]
SMALLER_RPN = [
    *("MODEL.RPN.PRE_NMS_TOPK_TRAIN", 1000, "MODEL.RPN.PRE_NMS_TOPK_TEST", 1000),
    *("MODEL.RPN.POST_NMS_TOPK_TRAIN", 60, "MODEL.RPN.POST_NMS_TOPK_TEST", 60),
    *("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 48),
]


def case_config(case: Case, folder: Path) -> CfgNode:
    """Return the configuration of a case, whose embeddings and counts are written to ``folder``."""
    cfg = base_config()
    cfg.merge_from_file(str(CONFIGS / f"{case.recipe}.yaml"))
    cfg.merge_from_list(SMALLER)
    if cfg.MODEL.PROPOSAL_GENERATOR.NAME == "RPN":
        cfg.merge_from_list(SMALLER_RPN)
    head = "MODEL.ROI_BOX_HEAD"
    cfg.merge_from_list(
        [
            *("MODEL.ROI_HEADS.NUM_CLASSES", case.num_classes),
            *("MODEL.CENTERNET.NUM_CLASSES", case.num_classes),
            *(f"{head}.ZEROSHOT_WEIGHT_PATH", embedding_file(folder, case.num_classes)),
            *(f"{head}.CAT_FREQ_PATH", frequency_file(folder, case.num_counted)),
        ]
    )
    if cfg.MODEL.META_ARCHITECTURE == "DeformableDetr":
        cfg.merge_from_list(["MODEL.DETR.NUM_CLASSES", case.num_classes])
    cfg.merge_from_list(list(case.overrides))
    return cfg


def build(cfg: CfgNode) -> nn.Module:
    """Return the model of a configuration, with the weights of its names and without dropout."""
    seed_all(0)
    with ZerosForNoise():
        model = build_model(cfg)
    fill_weights(model)
    return without_dropout(model)


@torch.no_grad()
def replace_classes(model: nn.Module, embeddings: Tensor) -> None:
    """Make a detector one of other classes, (C, D), as a published script does."""
    predictors = model.roi_heads.box_predictor
    for predictor in predictors if isinstance(predictors, nn.ModuleList) else [predictors]:
        classifier = predictor.cls_score
        weight = classifier.columns(with_background(embeddings.to(classifier.zs_weight)))
        if isinstance(classifier.zs_weight, nn.Parameter):
            del classifier.zs_weight
            classifier.register_buffer("zs_weight", weight)
        classifier.zs_weight = weight
    model.roi_heads.num_classes = len(embeddings)


def embedding_file(folder: Path, num_classes: int, tag: str = "a") -> str:
    path = folder / f"{tag}_{num_classes}.npy"
    np.save(path, class_embeddings(num_classes, tag))
    return str(path)


def frequency_file(folder: Path, num_classes: int) -> str:
    path = folder / f"counts_{num_classes}.json"
    path.write_text(json.dumps(class_counts(num_classes)))
    return str(path)
