"""A training recipe as the configuration of a detector."""

from dataclasses import dataclass
from numbers import Real

import torch
from detectron2.config import CfgNode

from detic.config import class_count_key, is_zero_shot, with_values
from detic.errors import InputError
from detic.modeling.build import WITHOUT_TRAINING
from detic.vocabulary.model_classes import KEY, SET_LATER


@dataclass(frozen=True)
class DetectionParams:
    """Which objects a detector reports."""

    score_threshold: float  # lowest score, 0 to 1
    one_class_per_proposal: bool  # an object has its most likely class only

    def __post_init__(self):
        check_score_threshold(self.score_threshold)


def check_score_threshold(threshold: float) -> None:
    """Raise InputError if ``threshold`` is no score."""
    if not (isinstance(threshold, Real) and 0 <= threshold <= 1):
        raise InputError(f"the score threshold is {threshold!r}; choose a number from 0 to 1")


def inference_config(cfg: CfgNode, params: DetectionParams, device: torch.device) -> CfgNode:
    """Return the configuration of a model whose vocabulary is handed to it with every batch.

    What serves training alone is off, so that none of its files is needed.

    Raises:
        InputError: the recipe's model cannot change its vocabulary.
    """
    name, zero_shot = cfg.MODEL.META_ARCHITECTURE, is_zero_shot(cfg)
    if name not in ("CustomRCNN", "DeformableDetr") or not zero_shot:
        raise InputError(
            f"this recipe's model ({name}, USE_ZEROSHOT_CLS {zero_shot}) knows only the classes it "
            "was trained on; choose a recipe with CLIP in its name"
        )
    return with_values(
        cfg,
        WITHOUT_TRAINING
        | {
            "MODEL.DEVICE": str(device),
            "MODEL.ROI_HEADS.SCORE_THRESH_TEST": params.score_threshold,
            "MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL": params.one_class_per_proposal,
            class_count_key(cfg): 1,  # the place of a classifier that is never used
            KEY: SET_LATER,
        },
    )
