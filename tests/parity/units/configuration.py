"""Configuration keys: their defaults, and what each recipe changes."""

from pathlib import Path

import numpy as np

from tests.parity.arrays import Arrays
from tests.parity.models import CONFIGS
from tests.parity.ours import CfgNode, base_config, get_cfg


def defaults(folder: Path) -> Arrays:
    """Return the keys that are not Detectron2's, or have another default."""
    return {"cfg/defaults": changes(get_cfg(), base_config())}


def recipes(folder: Path) -> Arrays:
    """Return what each recipe changes, later ones than the recorded included."""
    arrays = {}
    for path in CONFIGS.glob("*.yaml"):
        cfg = base_config()
        cfg.merge_from_file(str(path))
        arrays[f"file_{path.stem}/keys"] = changes(base_config(), cfg)
    return arrays


def changes(before: CfgNode, after: CfgNode) -> np.ndarray:
    """Return the sorted ``KEY=value`` of ``after`` that differ from ``before``."""
    old, new = flat(before), flat(after)
    changed = [key for key in new if key != "VERSION" and old.get(key) != new[key]]
    return np.array(sorted(f"{key}={new[key]}" for key in changed))


def flat(node: CfgNode, prefix: str = "") -> dict[str, str]:
    """Return the values by dotted key."""
    values = {}
    for key, value in node.items():
        if isinstance(value, CfgNode):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = spelled(value)
    return values


def spelled(value) -> str:
    """Return a value in one spelling: lists and tuples, 1 and 1.0 alike.

    >>> spelled((1.0, 0.1, "a"))
    '[1, 0.1, a]'
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    return str(value)
