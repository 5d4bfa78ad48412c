"""Where detectors hold their backbone: what the names of its tensors start with."""

import re
from collections.abc import Iterable
from itertools import product

_DETECTORS = ("backbone.", "detr.backbone.0.backbone.")  # of CustomRCNN, of DeformableDetr
_BELOW_PYRAMID = "bottom_up."
_WRAPPERS = ("base.vit.", "base.", "")  # plain transformers of timm, its other models, ours

# What stands before the names of a backbone's own tensors, the longest first
PREFIXES = tuple("".join(parts) for parts in product(_DETECTORS, (_BELOW_PYRAMID, ""), _WRAPPERS))

_IN_DETECTOR = f"(?:{'|'.join(re.escape(prefix) for prefix in _DETECTORS)})"
# A regular expression of where the names within a backbone start
IN_BACKBONE = f"{_IN_DETECTOR}(?:{re.escape(_BELOW_PYRAMID)})?"


def name_in_backbone(name: str) -> str | None:
    """Return the name of a detector's tensor within its backbone; None of one beside it."""
    prefix = re.match(IN_BACKBONE, name)
    return None if prefix is None else name[prefix.end() :]


def below_pyramid(names: Iterable[str]) -> list[str]:
    """Return the names of a detector's tensors in its backbone, without a pyramid's."""
    in_backbone = [name for name in names if re.match(_IN_DETECTOR, name)]
    below = re.compile(_IN_DETECTOR + re.escape(_BELOW_PYRAMID))
    return [name for name in in_backbone if below.match(name)] or in_backbone
