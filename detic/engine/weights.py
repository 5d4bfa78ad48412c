"""The weights a run starts from."""

import logging

from torch import Tensor, nn

from detic.checkpoint import load_weights
from detic.errors import InputError
from detic.modeling.backbone.timm import TimmBackbone
from detic.paths import dataset_path
from detic.vocabulary.model_classes import is_class_list

logger = logging.getLogger(__name__)


def load_initial_weights(cfg, model: nn.Module, purpose: str) -> None:
    """Load ``MODEL.WEIGHTS``, or timm's pretrained backbone where the recipe asks for it.

    Where the recipe has a list of class names, the classifier keeps their embeddings.

    Args:
        purpose: "train" accepts files with a backbone only, "inference" does not.

    Raises:
        InputError: as ``load_weights`` does, or there are no weights to infer with.
    """
    node = cfg.MODEL
    if node.WEIGHTS:
        classifiers = _classifiers(model)
        load_weights(model, node.WEIGHTS, purpose=purpose, allow_partial=node.ALLOW_PARTIAL_WEIGHTS)
        if is_class_list(dataset_path(node.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH)):
            model.load_state_dict(classifiers, strict=False)
    elif purpose == "inference" and not node.ALLOW_PARTIAL_WEIGHTS:
        raise InputError("MODEL.WEIGHTS is empty; name the weights to evaluate")
    elif cfg.MODEL.TIMM.PRETRAINED:
        for module in model.modules():
            if isinstance(module, TimmBackbone):
                module.load_pretrained()
    else:
        logger.warning("MODEL.WEIGHTS is empty: the model starts from random weights")


def _classifiers(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the class embeddings in all zero-shot classifiers, by name."""
    state = model.state_dict()
    return {n: state[n].clone() for n in state if n.endswith("cls_score.zs_weight")}
