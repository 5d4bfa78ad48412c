"""Which recipes can be exported."""

import detectron2
from detectron2.config import CfgNode

from detic.config import is_deformable_detr, is_zero_shot
from detic.errors import InputError

_HEADS = ("DeticCascadeROIHeads", "CustomRes5ROIHeads")
_PROPOSALS = ("CenterNet", "RPN")


def check_recipe(cfg: CfgNode, fixed_size_hw: tuple[int, int] | None) -> None:
    """Refuse what cannot be exported, before weights are fetched or read.

    Args:
        fixed_size_hw: of all images; None: they are of any size.

    Raises:
        InputError: says what, why, and what to do.
    """
    check_detectron2()
    node = cfg.MODEL
    if not is_zero_shot(cfg):
        raise InputError(
            "models with a closed vocabulary cannot be exported, as class embeddings are an input of "
            "the file; choose a recipe with USE_ZEROSHOT_CLS True, such as those with CLIP in their "
            "names"
        )
    if not is_deformable_detr(cfg):
        _check_choice("MODEL.ROI_HEADS.NAME", node.ROI_HEADS.NAME, _HEADS)
        _check_choice("MODEL.PROPOSAL_GENERATOR.NAME", node.PROPOSAL_GENERATOR.NAME, _PROPOSALS)
    if cfg.TEST.DETECTIONS_PER_IMAGE < 1:
        raise InputError(
            f"TEST.DETECTIONS_PER_IMAGE is {cfg.TEST.DETECTIONS_PER_IMAGE}; an exported file needs a limit: "
            "set it to 1 or more, such as 300"
        )
    if "swin" in node.BACKBONE.NAME and fixed_size_hw is None:
        raise InputError(
            "a Swin Transformer can be exported for images of one size alone, as its windows depend "
            "on the size; name it, such as --size 896 1184"
        )


def check_detectron2() -> None:
    """Raise InputError if Detectron2 is upstream's."""
    if "portable" not in detectron2.__version__:
        raise InputError(
            "exporting needs the Detectron2 of this project, the folder `portable`; upstream's cannot be "
            "made a graph"
        )


def _check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{key} {value} cannot be exported; choose {' or '.join(choices)}")
