"""Checkpoints under mmdetection's tensor names, and back under ours."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from detic.checkpoint.load_report import group_names
from detic.checkpoint.mmdet import Converted, from_mmdet, is_mmdet, to_mmdet
from detic.errors import InputError

# Tensors that a detector of the other kind builds itself or does without.
_DROPPED = ("pixel_", "text_encoder.", "backbone.bottom_up.base.fc.", "data_preprocessor.")


def convert(tensors: Mapping[str, Tensor], to: str) -> dict[str, Any]:
    """Return the content of the checkpoint that holds ``tensors`` under the names of ``to``.

    Args:
        tensors: state dict of a detector of the other kind.
        to: "mmdet" or "detectron2".

    Raises:
        InputError: the detector is of that kind already, or has parts that the other kind lacks.
    """
    if is_mmdet(tensors) == (to == "mmdet"):
        raise InputError(f"SRC has the names of {to} already; use it as it is")
    key, rename = CONVERTERS[to]
    converted = rename(tensors)
    lost = [name for name in converted.left_over if not name.startswith(_DROPPED)]
    if lost:
        raise InputError(
            f"the other side has no counterpart of {group_names(lost)}; only the ResNet-50 and Swin "
            "recipes with CLIP classifiers exist on both"
        )
    return {key: converted.tensors}


# Where a checkpoint of each kind keeps its weights, and what gives them their names.
CONVERTERS: dict[str, tuple[str, Callable[[Mapping[str, Tensor]], Converted]]] = {
    "mmdet": ("state_dict", to_mmdet),
    "detectron2": ("model", from_mmdet),
}
