"""What a recipe says about Deformable DETR.

Shapes: C classes.
"""

import math

from torch import Tensor

from detic.config import class_count
from detic.errors import InputError
from detic.modeling.detr.encoder import LayerParams
from detic.modeling.detr.losses import CriterionParams
from detic.modeling.detr.matching import PairWeights
from detic.modeling.detr.transformer import TransformerParams
from detic.modeling.federated import load_class_frequencies


def check_config(cfg) -> None:
    """Refuse what cannot be built, or does not apply.

    Raises:
        InputError: names the keys.
    """
    node, width, heads = cfg.MODEL.DETR, cfg.MODEL.DETR.HIDDEN_DIM, cfg.MODEL.DETR.NHEADS
    for is_wrong, message in (
        (cfg.MODEL.MASK_ON, "MODEL.MASK_ON True: it has no masks; set it to False"),
        (
            cfg.MODEL.DYNAMIC_CLASSIFIER,
            "MODEL.DYNAMIC_CLASSIFIER True: it classifies against all classes; set it to False",
        ),
        (
            cfg.MODEL.WITH_CAPTION,
            "MODEL.WITH_CAPTION True: it learns nothing from captions; set it to False",
        ),
        (
            node.TWO_STAGE and not node.WITH_BOX_REFINE,
            "MODEL.DETR.TWO_STAGE True needs a box head for the proposals; set MODEL.DETR."
            "WITH_BOX_REFINE to True",
        ),
        (
            cfg.WITH_IMAGE_LABELS and not node.DEEP_SUPERVISION,
            "WITH_IMAGE_LABELS True supervises every layer; set MODEL.DETR.DEEP_SUPERVISION to True",
        ),
        (
            width % math.lcm(32, heads) != 0,
            f"MODEL.DETR.HIDDEN_DIM is {width}; expected a multiple of 32 and of MODEL.DETR.NHEADS, "
            f"{heads}",
        ),
    ):
        if is_wrong:
            raise InputError(f"Deformable DETR: {message}")


def transformer_params(cfg) -> TransformerParams:
    """Return the sizes of ``MODEL.DETR``."""
    node = cfg.MODEL.DETR
    layer = LayerParams(
        width=node.HIDDEN_DIM,
        num_heads=node.NHEADS,
        num_levels=node.NUM_FEATURE_LEVELS,
        feedforward_width=node.DIM_FEEDFORWARD,
        dropout=node.DROPOUT,
    )
    return TransformerParams(
        layer=layer,
        encoder_layers=node.ENC_LAYERS,
        decoder_layers=node.DEC_LAYERS,
        num_queries=node.NUM_OBJECT_QUERIES,
        two_stage=node.TWO_STAGE,
        refine_boxes=node.WITH_BOX_REFINE,
    )


def criterion_params(cfg) -> CriterionParams:
    """Return how ``MODEL.DETR`` composes the losses."""
    node = cfg.MODEL.DETR
    return CriterionParams(
        weights=PairWeights(node.CLS_WEIGHT, node.L1_WEIGHT, node.GIOU_WEIGHT),
        focal_alpha=node.FOCAL_ALPHA,
        every_layer=node.DEEP_SUPERVISION,
        num_sampled_classes=cfg.MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT,
    )


def federated_frequencies(cfg) -> Tensor | None:
    """Return the frequencies of the federated loss, (C,); None if there is none.

    Raises:
        InputError: they are those of other classes.
    """
    if not cfg.MODEL.DETR.USE_FED_LOSS:
        return None
    node = cfg.MODEL.ROI_BOX_HEAD
    frequencies = load_class_frequencies(node.CAT_FREQ_PATH, node.FED_LOSS_FREQ_WEIGHT)
    if len(frequencies) != class_count(cfg):
        raise InputError(
            f"{node.CAT_FREQ_PATH} has {len(frequencies)} classes, the model has "
            f"{class_count(cfg)} (MODEL.DETR.NUM_CLASSES); let MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH name "
            "the frequencies of its classes"
        )
    return frequencies
