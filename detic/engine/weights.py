"""Loading the weights that a run starts from."""

import logging
from collections.abc import Collection

from torch import Tensor, nn

from detic.checkpoint import LoadReport, load_weights
from detic.errors import InputError
from detic.modeling.backbone.timm import TimmBackbone
from detic.plan.weights import InitialWeights
from detic.vocabulary.model_classes import KEY

logger = logging.getLogger(__name__)


def load_initial_weights(weights: InitialWeights, model: nn.Module, purpose: str) -> None:
    """Load weights, or timm's pretrained backbone where the recipe asks for it.

    Where the recipe has a list of class names, the classifier keeps their embeddings. Class
    frequencies that the run has counted stay, too.

    Args:
        purpose: "train" accepts files with a backbone only, "inference" does not.

    Raises:
        InputError: as ``load_weights`` does, or there are no weights to infer with.
    """
    if weights.path:
        classifiers = _copies(model, "zs_weight")
        frequencies = _copies(model, "freq_weight", "fed_loss_weight")
        report = load_weights(
            model, weights.path, purpose=purpose, allow_partial=weights.allow_partial
        )
        if weights.classes.are_named:
            model.load_state_dict(classifiers, strict=False)
        elif purpose == "inference" and weights.classes.are_set_later:
            _check_classes(report, classifiers, weights.classes.count)
        if weights.frequencies_are_counted:
            model.load_state_dict(frequencies, strict=False)
    elif purpose == "inference" and not weights.allow_partial:
        raise InputError("MODEL.WEIGHTS is empty; name the weights to evaluate")
    elif weights.pretrained_backbone:
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
            f"{KEY} (datasets/README.md tells how to make it)"
        )


def _copies(model: nn.Module, *names: str) -> dict[str, Tensor]:
    """Return copies of the tensors that modules call by one of these names."""
    state = model.state_dict()
    return {n: state[n].clone() for n in state if n.rpartition(".")[2] in names}
