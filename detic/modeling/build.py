"""From a recipe to a model."""

from detectron2.modeling import META_ARCH_REGISTRY, build_model

from detic.errors import InputError
from detic.modeling.meta_arch import CustomRCNN

# What serves training alone, so that none of its files is needed.
WITHOUT_TRAINING = {
    "MODEL.ROI_BOX_HEAD.USE_FED_LOSS": False,
    "MODEL.ROI_BOX_HEAD.IGNORE_ZERO_CATS": False,
    "MODEL.ROI_BOX_HEAD.WITH_SOFTMAX_PROP": False,
    "MODEL.DYNAMIC_CLASSIFIER": False,
    "MODEL.WITH_CAPTION": False,
    "MODEL.TIMM.PRETRAINED": False,
}


def build_detector(cfg) -> CustomRCNN:
    """Return the model of a recipe, with random weights, on ``MODEL.DEVICE``.

    Raises:
        InputError: the recipe asks for what cannot be built.
    """
    name = cfg.MODEL.META_ARCHITECTURE
    if name not in META_ARCH_REGISTRY:
        raise InputError(
            f"MODEL.META_ARCHITECTURE {name} is not available; recipes with CustomRCNN are "
            "(Deformable DETR recipes can be read, but not be built)"
        )
    try:
        return build_model(cfg)
    except InputError:
        raise
    except (KeyError, ValueError) as error:  # how detectron2 tells of values it does not know
        raise InputError(f"the model of this recipe cannot be built: {error}") from error
