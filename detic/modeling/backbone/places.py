"""Where detectors hold their backbone: what the names of its tensors start with."""

import re
from collections.abc import Iterable
from itertools import product

_DETECTORS = ("backbone.", "detr.backbone.0.backbone.")  # of CustomRCNN, of DeformableDetr
_PYRAMIDS = ("bottom_up.", "")  # under one or not
_WRAPPERS = ("base.vit.", "base.", "")  # plain transformers of timm, its other models, ours

# The longest come first.
PREFIXES = tuple("".join(parts) for parts in product(_DETECTORS, _PYRAMIDS, _WRAPPERS))

IN_DETECTOR = f"(?:{'|'.join(re.escape(prefix) for prefix in _DETECTORS)})"
IN_BACKBONE = IN_DETECTOR + r"(?:bottom_up\.)?"


def name_in_backbone(name: str) -> str | None:
    """Return the name of a detector's tensor within its backbone; None of one beside it."""
    prefix = re.match(IN_BACKBONE, name)
    return None if prefix is None else name[prefix.end() :]


def below_pyramid(names: Iterable[str]) -> list[str]:
    """Return the names of a detector's tensors in its backbone, without a pyramid's."""
    in_backbone = [name for name in names if re.match(IN_DETECTOR, name)]
    under_pyramid = re.compile(IN_DETECTOR + r"bottom_up\.")
    return [name for name in in_backbone if under_pyramid.match(name)] or in_backbone
