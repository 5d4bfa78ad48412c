"""Tensor names in two spellings, translated by patterns."""

import re
from collections.abc import Iterable


class Renaming:
    """A translation of tensor names, by pairs of patterns for the whole name.

    ``#`` stands for a number and ``*`` for any rest; a pair has the same ones in the same order.
    The first pair that fits a name translates it.

    >>> Renaming([("stem.#.*", "stem_#.*")])("stem.0.weight")
    'stem_0.weight'
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        self.pairs = tuple(pairs)
        self._rules = [(_expression(source), _template(target)) for source, target in self.pairs]

    def __call__(self, name: str) -> str | None:
        """Return the name in the second spelling, None if no pair fits."""
        for expression, template in self._rules:
            match = expression.fullmatch(name)
            if match:
                return template.format(*match.groups())
        return None

    def inverse(self) -> "Renaming":
        """Return the translation from the second spelling to the first."""
        return Renaming((target, source) for source, target in self.pairs)


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\#", r"(\d+)").replace(r"\*", "(.*)"))


def _template(pattern: str) -> str:
    return pattern.replace("#", "{}").replace("*", "{}")
