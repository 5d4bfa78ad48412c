"""The nouns of WordNet 3.0 that class lists refer to: what words mean, and what is a kind of what.

A synset is one meaning with all words for it. It is named after its first word: ``banana.n.02`` is
the second meaning of the noun banana, the fruit rather than the plant.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from detic.vocabulary.builtin import FOLDER
from detic.vocabulary.names import loose_name

FILE = FOLDER / "wordnet_hypernyms.json.gz"

# Plural endings and what the singular has in their place; the first that makes a known word counts.
_PLURALS = (
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("oes", "o"),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
    ("men", "man"),
)


@dataclass(frozen=True, eq=False)
class WordNetNouns:
    """Meanings of nouns, and the more general meanings right above each."""

    hypernyms: Mapping[str, Sequence[str]]  # synsets right above, by synset
    senses: Mapping[str, Sequence[str]]  # synsets by word, the commonest meaning first

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """The words of each synset."""
        words: dict[str, list[str]] = {synset: [] for synset in self.hypernyms}
        for word, synsets in self.senses.items():
            for synset in synsets:
                words[synset].append(word)
        return words

    def ancestors(self, synset: str) -> dict[str, int]:
        """Return everything the synset is a kind of, with the number of steps up, nearest first.

        An unknown synset has no ancestors.
        """
        steps = {synset: 0}
        queue = [synset]
        for below in queue:
            for above in self.hypernyms.get(below, ()):
                if above not in steps:
                    steps[above] = steps[below] + 1
                    queue.append(above)
        del steps[synset]
        return steps


@cache
def wordnet_nouns() -> WordNetNouns:
    """Return the nouns that come with the project: of LVIS, ImageNet-21K and all above them."""
    return WordNetNouns(**json.loads(gzip.decompress(FILE.read_bytes())))


def noun_forms(name: str) -> Iterator[str]:
    """Yield a class name as WordNet would write it, then what it may be the plural of.

    >>> list(noun_forms("Wine Glasses"))
    ['wine_glasses', 'wine_glasse', 'wine_glass']
    """
    word = loose_name(name).replace(" ", "_")
    yield word
    for plural, singular in _PLURALS:
        if word.endswith(plural) and len(word) > len(plural):
            yield word.removesuffix(plural) + singular
