"""Kinds of values that a table can ask for: numbers in a range, one of a few, lists of these."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Rule:
    """What a value has to be."""

    holds: Callable[[Any], bool]
    expected: str  # in words, after "expected"


def whole(low: int, high: int = LARGEST_INTEGER) -> Rule:
    """Whole numbers, both ends included."""
    words = _range_in_words(low, high if high < LARGEST_INTEGER else math.inf)
    return Rule(lambda value: is_whole(value) and low <= value <= high, f"a whole number{words}")


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """Numbers, both ends included; infinity is none."""
    words = f"a number{_range_in_words(low, high)}"
    return Rule(lambda value: is_number(value) and low <= value <= high, words)


def _range_in_words(low: float, high: float) -> str:
    if low == -math.inf:
        return "" if high == math.inf else f" of at most {high}"
    return f" of at least {low}" if high == math.inf else f" from {low} to {high}"


def number_above(low: float, high: float = math.inf) -> Rule:
    """Numbers above an end, up to another."""
    words = f"above {low}" + (f", at most {high}" if high < math.inf else "")
    return Rule(lambda value: is_number(value) and low < value <= high, f"a number {words}")


def number_between(low: float, high: float) -> Rule:
    """Numbers between two ends, which are none of them."""
    words = f"a number above {low} and below {high}"
    return Rule(lambda value: is_number(value) and low < value < high, words)


def number_or_none(low: float) -> Rule:
    """Numbers of at least ``low``; None leaves the choice to the program."""
    rule = number(low)
    return Rule(lambda value: value is None or rule.holds(value), f"{rule.expected}, or None")


def one_of(*choices: object) -> Rule:
    """One of a few values."""
    *head, last = map(repr, choices)
    return Rule(lambda value: _is_among(value, choices), f"{', '.join(head)} or {last}")


def _is_among(value: object, choices: Sequence) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in choices)


def list_of(rule: Rule, length: int | None = None, *, at_least: int = 0) -> Rule:
    """Lists whose entries follow a rule."""
    size = f"{length} entries" if length else (f"at least {at_least} entries" if at_least else "")
    fits = _has_length(length, at_least)
    return Rule(
        lambda value: is_list(value) and fits(value) and all(map(rule.holds, value)),
        f"a list{f' of {size}' if size else ''}, each {rule.expected}",
    )


def _has_length(length: int | None, at_least: int) -> Callable[[Sequence], bool]:
    return lambda value: len(value) >= at_least and length in (None, len(value))


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def never_falls(values: Sequence) -> bool:
    return all(a <= b for a, b in pairwise(values))
