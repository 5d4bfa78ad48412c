"""The nouns of the world, by name."""

from functools import cache

from detic.shapes.benchmark_nouns import BENCHMARK_FORMS
from detic.shapes.held_out_nouns import HELD_OUT_FORMS
from detic.shapes.silhouette import Silhouette

BENCHMARK_NOUNS = tuple(BENCHMARK_FORMS)
HELD_OUT_NOUNS = tuple(HELD_OUT_FORMS)
ALL_NOUNS = BENCHMARK_NOUNS + HELD_OUT_NOUNS

_FORMS = BENCHMARK_FORMS | HELD_OUT_FORMS


@cache
def silhouette(noun: str) -> Silhouette:
    """Return the form of a noun, one of ``ALL_NOUNS``."""
    return _FORMS[noun]()
