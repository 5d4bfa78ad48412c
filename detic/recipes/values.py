"""Checking the values of a recipe against the table of ``recipe_rules``, once, where it is read."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from detectron2.config import CfgNode

from detic.recipes.rules import LENGTHS, PER_DATASET, RULES, Lengths
from detic.value_rules import LARGEST_INTEGER, Rule, is_list


class Mistake(NamedTuple):
    """A value that cannot be."""

    key: str
    problem: str  # what it is and what is expected


def find_mistake(cfg: CfgNode, defaults: CfgNode) -> Mistake | None:
    """Return the first value of a configuration that cannot be, None if all can.

    Args:
        defaults: the same keys; a key may be None if it is None there, or the table says so.
    """
    values = dict(leaves(cfg))
    usual = dict(leaves(defaults))
    for key, value in values.items():
        problem = _problem(value, RULES.get(key), usual.get(key))
        if problem:
            return Mistake(key, problem)
    for lengths in LENGTHS:
        problem = _problem_of_lengths(lengths, values)
        if problem:
            return Mistake(lengths.key, problem)
    return None


def find_unequal_list(cfg: CfgNode, layers: Sequence[Set[str]]) -> Mistake | None:
    """Return the first list that should have an entry for each training dataset and has not.

    What a base gives for more datasets may stay, as the first entries are used.

    Args:
        cfg: the whole configuration.
        layers: keys that each layer of it gave, bases first.
    """
    count = len(cfg.DATASETS.TRAIN)
    naming = [number for number, keys in enumerate(layers) if "DATASETS.TRAIN" in keys]
    given = set().union(*layers[naming[-1] if naming else len(layers) :])
    for name in PER_DATASET:
        length = len(cfg.DATALOADER[name])
        if f"DATALOADER.{name}" in given and count and length != count:
            problem = f"has {length} entries, DATASETS.TRAIN has {count}; give one per dataset"
            return Mistake(f"DATALOADER.{name}", problem)
    return None


def leaves(node: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the whole keys of a configuration with their values."""
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _problem(value: Any, rule: Rule | None, usual: Any) -> str:
    unusable = next(filter(None, map(_unusable, _parts(value))), "")
    if unusable:
        return unusable
    if rule is None and value is None and usual is not None:
        return f"is empty; expected a value such as {usual!r}"
    if rule is None or rule.holds(value):
        return ""
    return f"is {_short(value)}; expected {rule.expected}"


def _parts(value: Any) -> Iterator[Any]:
    """Yield the plain values in a value."""
    if isinstance(value, Mapping):
        for item in value.items():
            yield from _parts(item)
    elif is_list(value):
        for part in value:
            yield from _parts(part)
    else:
        yield value


def _unusable(value: object) -> str:
    """Return what is wrong with a plain value wherever it stands, "" if nothing is."""
    if isinstance(value, float) and math.isnan(value):
        return "holds nan; expected a number"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "holds a number of more than 64 bits"
    if isinstance(value, str) and not _is_writable(value):
        return f"is {value[:40]!r}, which holds characters that no file name or text may have"
    return ""


def _is_writable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _problem_of_lengths(lengths: Lengths, values: Mapping[str, Any]) -> str:
    found = len(values[lengths.key])
    needed = len(values[lengths.other]) + lengths.more
    if found == needed or (lengths.may_be_longer and found > needed):
        return ""
    return f"has {found} entries; expected {needed}, as {lengths.other} has {needed - lengths.more}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
