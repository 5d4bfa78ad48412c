"""The class hierarchy of Open Images.

C classes, in the order of their category ids.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detic.documents import read_json
from detic.errors import InputError


def read_reach(path: str | Path, index_of: Mapping[str, int]) -> np.ndarray:
    """Return which classes each class belongs to: itself and its ancestors, (C, C) bool.

    Only ``Subcategory`` makes an ancestor, not ``Part``. Labels that are no class, such as the
    root, are passed over.

    Args:
        path: json of nested {"LabelName", "Subcategory": [...]}.
        index_of: class index by freebase id, such as "/m/01g317".

    Raises:
        InputError: the file is missing or no such tree.
    """
    reach = np.eye(len(index_of), dtype=bool)
    pending: list[tuple[Any, tuple[int, ...]]] = [(read_json(path), ())]
    while pending:
        node, ancestors = pending.pop()
        if not isinstance(node, dict) or "LabelName" not in node:
            raise InputError(
                f"{path}: a node is {str(node)[:60]}; expected an object with 'LabelName' and "
                "'Subcategory'"
            )
        index = index_of.get(node["LabelName"])
        if index is not None:
            reach[index, list(ancestors)] = True
            ancestors = (*ancestors, index)
        pending += [(child, ancestors) for child in node.get("Subcategory", ())]
    return reach
