"""How deep in a backbone its parameters are, by their names.

Backbones define their parameters in the order they run: the stem, then numbered stages or, in plain
transformers, numbered blocks, then what comes on top.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

# res2 (Detectron2), layer1 (ResNets), s1 (RegNets), stage2 (HRNets), stages_1 or stages.1,
# layers.1 (Swin), blocks.1
_STAGE = re.compile(r"\b(?:res|layer|s|stage|(?:stages|layers|blocks)[._])(\d+)\b")


class Depths(NamedTuple):
    """Depths of parameters: 0 in the stem, 1 in the first stage and so on."""

    by_name: dict[str, int]
    top: int  # one more than that of the last stage

    @property
    def has_stages(self) -> bool:
        """Whether the names tell stages; otherwise all depths are 0."""
        return self.top > 1


def depths(names: Iterable[str]) -> Depths:
    """Return the depths of a backbone's parameters, ``names`` in the order of their definition.

    >>> depths(["conv1.weight", "layer1.0.bn1.bias", "layer2.0.bn1.bias", "norm.bias"]).by_name
    {'conv1.weight': 0, 'layer1.0.bn1.bias': 1, 'layer2.0.bn1.bias': 2, 'norm.bias': 3}
    """
    names = list(names)
    matches = [_STAGE.search(name) for name in names]
    numbers = [-1 if match is None else int(match[1]) for match in matches]  # -1: none
    depth_of = {n: depth for depth, n in enumerate(sorted({*numbers, -1}))}
    top = len(depth_of)
    last = max((place for place, number in enumerate(numbers) if number >= 0), default=len(names))
    by_name, depth = {}, 0
    for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
        if number >= 0:
            depth = depth_of[number]  # what lies between two stages is as deep as the first
        by_name[name] = top if place > last else depth
    return Depths(by_name, top)
