"""Names of classes as people read them."""

import re
from collections import Counter
from collections.abc import Collection

# LVIS tells words with several senses apart: crab_(animal). With a space it is part of the name.
_SENSE = re.compile(r"_\([^()]*\)$")


def plain_names(names: Collection[str]) -> dict[str, str]:
    """Return each name without underscores, and without its sense unless it is needed.

    >>> plain_names(["crab_(animal)", "bow_(weapon)", "bow_(decorative_ribbons)"])["crab_(animal)"]
    'crab'
    >>> plain_names(["bow_(weapon)", "bow_(decorative_ribbons)"])["bow_(weapon)"]
    'bow (weapon)'

    Args:
        names: those that are shown together.
    """
    short = {name: _spaced(_SENSE.sub("", name)) for name in names}
    uses = Counter(short.values())
    return {name: plain if uses[plain] == 1 else _spaced(name) for name, plain in short.items()}


def _spaced(name: str) -> str:
    return name.replace("_", " ")
