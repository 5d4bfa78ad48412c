"""From a recipe to a model."""

from contextlib import nullcontext

from detectron2.modeling import META_ARCH_REGISTRY, build_model

from detic.errors import InputError, unknown_choice
from detic.modeling.blank_weights import BlankWeights
from detic.modeling.detr.meta_arch import DeformableDetr
from detic.modeling.meta_arch import CustomRCNN
from detic.recipes.values import leaves
from detic.value_rules import is_list

DetectionModel = CustomRCNN | DeformableDetr

# How Detectron2 and timm tell of values that they do not know
UNBUILDABLE = (
    LookupError,
    ValueError,
    AttributeError,
    TypeError,
    AssertionError,
    ZeroDivisionError,
)

# What serves training alone, so that none of its files is needed.
WITHOUT_TRAINING = {
    "MODEL.ROI_BOX_HEAD.USE_FED_LOSS": False,
    "MODEL.ROI_BOX_HEAD.IGNORE_ZERO_CATS": False,
    "MODEL.ROI_BOX_HEAD.WITH_SOFTMAX_PROP": False,
    "MODEL.DETR.USE_FED_LOSS": False,
    "MODEL.DYNAMIC_CLASSIFIER": False,
    "MODEL.WITH_CAPTION": False,
    "MODEL.TIMM.PRETRAINED": False,
}


def build_detector(cfg, *, blank: bool = False) -> DetectionModel:
    """Return the model of a recipe, with random weights, on ``MODEL.DEVICE``.

    Args:
        blank: leave out the random numbers, which takes seconds less: weights are as memory was
            and must all be replaced.

    Raises:
        InputError: the recipe asks for what cannot be built.
    """
    name = cfg.MODEL.META_ARCHITECTURE
    if name not in META_ARCH_REGISTRY:
        raise unknown_choice(
            "model", name, ("CustomRCNN", "DeformableDetr"), where="MODEL.META_ARCHITECTURE"
        )
    try:
        with BlankWeights() if blank else nullcontext():
            return build_model(cfg)
    except InputError:
        raise
    except UNBUILDABLE as error:
        message = f"the model of this recipe cannot be built: {error}{_hint(error, cfg)}"
        raise InputError(message) from error


def _hint(error: Exception, cfg) -> str:
    """Return which keys of a recipe to look at, if the error is of a list of features or levels."""
    if isinstance(error, IndexError):
        return "; look at MODEL.FPN.IN_FEATURES and MODEL.TIMM.OUT_LEVELS"
    if not isinstance(error, KeyError) or not error.args:
        return ""
    missing = error.args[0]
    keys = [key for key, value in leaves(cfg) if is_list(value) and missing in value]
    return f" is not there; look at {', '.join(keys)}" if keys else ""
