"""Parent queries: who looks for fruit also looks for bananas, apples and all other fruit.

A class name is looked up among WordNet's nouns. The classes of a built-in list that are kinds of
what it names join the vocabulary and name it as their parent.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from detic.errors import InputError
from detic.vocabulary.builtin import builtin_categories
from detic.vocabulary.choices import unknown_choice
from detic.vocabulary.vocabulary import ClassEntry, Vocabulary
from detic.vocabulary.wordnet import WordNetNouns, noun_forms, wordnet_nouns

logger = logging.getLogger(__name__)

CANDIDATES = ("lvis", "imagenet21k")  # the built-in lists that say which synset a class is
_MAX_LOGGED = 10


@dataclass(frozen=True)
class _Candidate:
    """A class that may join."""

    name: str
    words: frozenset[str]  # for the same thing, as WordNet writes them; the name is one of them
    ancestors: dict[str, int]  # steps up by synset


def expand_parents(vocabulary: Vocabulary, candidates: str = "lvis") -> Vocabulary:
    """Return the vocabulary with all kinds of its classes, as further classes at its end.

    The vocabulary's own classes stay as they are: "fruit" is still looked for, and a banana that is
    listed already is not listed twice. Names may be plurals; one that is no noun of WordNet, or
    that nothing is a kind of, adds nothing. Of a word with several meanings the one with most kinds
    counts; the log names it. A kind of two classes joins the nearer one, that is "fruit" rather
    than "food". It takes over score threshold, prompts, colour and whether it is negative.

    Args:
        vocabulary: without embeddings.
        candidates: the built-in list whose classes may join, lvis or imagenet21k.

    Raises:
        InputError: the list is another one, or the vocabulary has embeddings.
    """
    if candidates not in CANDIDATES:
        raise unknown_choice("class list to take kinds from", candidates, CANDIDATES)
    if vocabulary.embeddings is not None:
        raise InputError(
            "a vocabulary with embeddings cannot be expanded, as further classes have none; expand "
            "the names alone, Vocabulary(vocabulary.entries), to have all of them embedded again"
        )
    known = _candidates(candidates, wordnet_nouns())
    num_kinds = Counter(chain.from_iterable(candidate.ancestors for candidate in known))
    parents: dict[str, ClassEntry] = {}  # by synset
    for entry in vocabulary.entries:
        synset = _meaning(entry.name, num_kinds, candidates)
        if synset is not None:
            parents.setdefault(synset, entry)
    children = _children(known, parents, vocabulary.entries)
    _log_children(children, candidates)
    return replace(vocabulary, entries=(*vocabulary.entries, *children))


def _candidates(list_name: str, nouns: WordNetNouns) -> list[_Candidate]:
    return [
        _Candidate(
            name=category["name"],
            words=frozenset(
                (_word(category["name"]), *nouns.words.get(category["synset"], ())),
            ),
            ancestors=nouns.ancestors(category["synset"]),
        )
        for category in builtin_categories(list_name)
    ]


def _word(name: str) -> str:
    """Return a name as WordNet writes it."""
    return next(noun_forms(name))


def _meaning(name: str, num_kinds: Counter[str], list_name: str) -> str | None:
    """Return the synset with most kinds that a name may stand for, None without any."""
    senses = wordnet_nouns().senses
    for word in noun_forms(name):
        general = [synset for synset in senses.get(word, ()) if num_kinds[synset]]
        if general:
            # The first of equals is the commonest.
            chosen, *others = sorted(general, key=num_kinds.__getitem__, reverse=True)
            if others:
                meanings = [f"{synset} ({num_kinds[synset]} classes)" for synset in (chosen, *others)]
                logger.info(
                    "'%s' has several meanings with kinds in %s: %s is meant, not %s",
                    name,
                    list_name,
                    meanings[0],
                    ", ".join(meanings[1:]),
                )
            return chosen
    return None


def _children(
    candidates: Iterable[_Candidate],
    parents: dict[str, ClassEntry],
    present: Iterable[ClassEntry],
) -> list[ClassEntry]:
    """Return the candidates that have a parent and are not present, each name once."""
    names = chain.from_iterable((entry.name, *entry.synonyms) for entry in present)
    taken = set(chain.from_iterable(map(noun_forms, names)))
    children: dict[str, ClassEntry] = {}  # by name as WordNet writes it
    for candidate in candidates:
        above = [synset for synset in candidate.ancestors if synset in parents]
        if above and not candidate.words & taken:
            nearest = min(above, key=candidate.ancestors.__getitem__)
            children.setdefault(_word(candidate.name), _child(candidate.name, parents[nearest]))
    return list(children.values())


def _child(name: str, parent: ClassEntry) -> ClassEntry:
    # A prompt without {} is a sentence about the parent.
    prompts = tuple(prompt for prompt in parent.prompts or () if "{}" in prompt)
    return replace(parent, name=name, parent=parent.name, synonyms=(), prompts=prompts or None)


def _log_children(children: Sequence[ClassEntry], list_name: str) -> None:
    counts = Counter(child.parent for child in children).most_common()
    listed = ", ".join(f"{parent} ({count})" for parent, count in counts[:_MAX_LOGGED])
    more = ", ..." if len(counts) > _MAX_LOGGED else ""
    logger.info(
        "%d classes of %s join the vocabulary: %s", len(children), list_name, (listed + more) or "-"
    )
