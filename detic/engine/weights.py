"""The weights a run starts from."""

import logging

from torch import nn

from detic.checkpoint import load_weights
from detic.modeling.backbone.timm import TimmBackbone

logger = logging.getLogger(__name__)


def load_initial_weights(cfg, model: nn.Module, purpose: str) -> None:
    """Load ``MODEL.WEIGHTS``, or timm's pretrained backbone where the recipe asks for it.

    Args:
        purpose: "train" accepts files with a backbone only, "inference" does not.
    """
    if cfg.MODEL.WEIGHTS:
        load_weights(
            model,
            cfg.MODEL.WEIGHTS,
            purpose=purpose,
            allow_partial=cfg.MODEL.ALLOW_PARTIAL_WEIGHTS,
        )
    elif cfg.MODEL.TIMM.PRETRAINED:
        for module in model.modules():
            if isinstance(module, TimmBackbone):
                module.load_pretrained()
    else:
        logger.warning("MODEL.WEIGHTS is empty: the model starts from random weights")
