"""The recorded numbers: see ``reference/README.md``."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.parity.arrays import Arrays

REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Case:
    """One file of numbers, and what they were made with."""

    name: str
    items: tuple[str, ...]
    # Of a model; units have none of these.
    recipe: str | None = None
    num_classes: int = 0
    num_counted: int = 0  # classes with frequencies and boxes
    overrides: tuple[str, ...] = ()  # configuration keys and values in turn
    runs: tuple[str, ...] = ()  # keys of RUNS, in this order on one model

    @property
    def is_model(self) -> bool:
        return self.recipe is not None

    def numbers(self) -> Arrays:
        """Return the recorded arrays."""
        with np.load(REFERENCE / f"{self.name}.npz") as file:
            return dict(file)


@cache
def read_cases() -> dict[str, Case]:
    """Return all cases by name."""
    entries = json.loads((REFERENCE / "manifest.json").read_text())["cases"]
    return {name: _read_case(name, entry) for name, entry in entries.items()}


def item_of(key: str) -> str:
    """Return the item an array belongs to.

    >>> item_of("box.losses/loss_cls_stage0")
    'box.losses'
    """
    return key.rsplit("/", 1)[0]


def _read_case(name: str, entry: dict) -> Case:
    items = tuple(entry["items"])
    if "config" not in entry:
        return Case(name, items)
    return Case(
        name,
        items,
        recipe=entry["config"],
        num_classes=entry["classes"],
        num_counted=entry["freq"],
        overrides=tuple(entry["opts"]),
        runs=tuple(entry["runs"]),
    )
