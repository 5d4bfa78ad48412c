"""The weights a run starts from."""

import logging
from collections.abc import Collection

from detectron2.config import CfgNode
from torch import Tensor, nn

from detic.checkpoint import LoadReport, load_weights
from detic.errors import InputError
from detic.modeling.backbone.timm import TimmBackbone
from detic.modeling.roi_heads.classifier import RANDOM
from detic.paths import find_file
from detic.vocabulary.model_classes import is_class_list

logger = logging.getLogger(__name__)


def with_classes_of_weights(cfg: CfgNode) -> CfgNode:
    """Return ``cfg`` with the classes of ``MODEL.WEIGHTS`` if the file of embeddings is missing.

    Detectors' weights hold the embeddings of their classes, so an evaluation needs no other copy.
    """
    path = find_file(cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH)
    is_needed = cfg.MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS and cfg.MODEL.WEIGHTS
    if not is_needed or is_class_list(path) or path.is_file():
        return cfg
    logger.info("%s is not there: the class embeddings are those in MODEL.WEIGHTS", path)
    completed = cfg.clone()
    completed.defrost()
    completed.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = RANDOM
    return completed


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
        report = load_weights(
            model, node.WEIGHTS, purpose=purpose, allow_partial=node.ALLOW_PARTIAL_WEIGHTS
        )
        embeddings = node.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH
        if is_class_list(find_file(embeddings)):
            model.load_state_dict(classifiers, strict=False)
        elif purpose == "inference" and embeddings == RANDOM:
            _check_classes(report, classifiers, node.ROI_HEADS.NUM_CLASSES)
    elif purpose == "inference" and not node.ALLOW_PARTIAL_WEIGHTS:
        raise InputError("MODEL.WEIGHTS is empty; name the weights to evaluate")
    elif cfg.MODEL.TIMM.PRETRAINED:
        for module in model.modules():
            if isinstance(module, TimmBackbone):
                module.load_pretrained()
    else:
        logger.warning("MODEL.WEIGHTS is empty: the model starts from random weights")


def _check_classes(report: LoadReport, classifiers: Collection[str], num_classes: int) -> None:
    """Check that the weights have replaced random class embeddings."""
    if not set(classifiers) <= set(report.matched):
        raise InputError(
            f"{report.path} has no embeddings of {num_classes} classes; name a file of them in "
            "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH (datasets/README.md tells how to make it)"
        )


def _classifiers(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the class embeddings in all zero-shot classifiers, by name."""
    state = model.state_dict()
    return {n: state[n].clone() for n in state if n.endswith("cls_score.zs_weight")}
