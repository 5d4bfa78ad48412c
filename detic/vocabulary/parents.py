"""Parent queries: who looks for fruit also looks for bananas, apples and all other fruit.

A class name is looked up among WordNet's nouns. The classes of a built-in list that are kinds of
what it names join the vocabulary and name it as their parent.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from detic.errors import InputError, unknown_choice
from detic.vocabulary.builtin import builtin_categories
from detic.vocabulary.names import loose_name
from detic.vocabulary.vocabulary import ClassEntry, EmbeddedVocabulary, Vocabulary
from detic.vocabulary.wordnet import noun_forms, wordnet_nouns

logger = logging.getLogger(__name__)

CANDIDATE_LISTS = ("lvis", "imagenet21k")  # the built-in ones that say which synset a class is
_MAX_LOGGED = 10


@dataclass(frozen=True)
class _Candidate:
    """A class that may join."""

    name: str
    synset: str
    ancestors: Mapping[str, int]  # synsets it is a kind of, with the steps up to each

    @property
    def words(self) -> set[str]:
        """The words for it, as WordNet writes them."""
        return {next(noun_forms(self.name)), *wordnet_nouns().words.get(self.synset, ())}


def expand_parents(vocabulary: Vocabulary, candidates: str = "lvis") -> Vocabulary:
    """Return the vocabulary with all kinds of its classes as further classes at its end.

    The vocabulary's own classes stay as they are: "fruit" itself is still looked for, and a banana
    that is listed already is not listed twice. Names may be plurals. A name that is no noun of
    WordNet, or that no candidate is a kind of, adds nothing. Of the meanings of a word that have
    kinds, the one with most classes counts, and the log names it. A kind of two classes joins the
    nearer one, "fruit" rather than "food". A kind takes over score threshold, prompts, colour and
    whether it is negative. What is a kind of what is as WordNet has it: a car is a container there,
    and a kitten a young mammal but no cat.

    Args:
        vocabulary: without embeddings.
        candidates: the built-in list whose classes may join, lvis or imagenet21k.

    Raises:
        InputError: the list is another one, or the vocabulary has embeddings.
    """
    if candidates not in CANDIDATE_LISTS:
        raise unknown_choice("class list to expand by", candidates, CANDIDATE_LISTS)
    if isinstance(vocabulary, EmbeddedVocabulary):
        raise InputError(
            "a vocabulary with embeddings cannot be expanded, as further classes have none; expand "
            "its names alone, Vocabulary(vocabulary.entries), and have all of them embedded again"
        )
    classes = _candidates(candidates)
    meanings = _meanings(vocabulary.names, classes, candidates)
    parents: dict[str, ClassEntry] = {}  # by synset
    for entry in vocabulary.entries:
        if entry.name in meanings:
            parents.setdefault(meanings[entry.name], entry)
    children = _children(classes, parents, vocabulary.entries)
    _log_children(children, candidates)
    return replace(vocabulary, entries=(*vocabulary.entries, *children))


def _candidates(list_name: str) -> list[_Candidate]:
    ancestors = wordnet_nouns().ancestors
    return [
        _Candidate(category["name"], category["synset"], ancestors(category["synset"]))
        for category in builtin_categories(list_name)
    ]


def _meanings(
    names: Iterable[str], classes: Sequence[_Candidate], list_name: str
) -> dict[str, str]:
    """Return the synset of each name that has kinds among the classes."""
    num_kinds = Counter(chain.from_iterable(candidate.ancestors for candidate in classes))
    # A class counts for its own meaning, too: otherwise a cat would be a big cat, of which LVIS has
    # lions and tigers, and not a cat, of which it has cougars.
    num_classes = num_kinds + Counter(candidate.synset for candidate in classes)
    meanings = {}
    for name in names:
        senses = _senses(name, num_kinds)
        senses.sort(key=num_classes.__getitem__, reverse=True)  # of equals, the commonest first
        if len(senses) > 1:
            counts = ", ".join(f"{synset} ({num_classes[synset]})" for synset in senses)
            logger.info(
                "'%s' has several meanings; the one with most classes in %s is taken: %s",
                name,
                list_name,
                counts,
            )
        if senses:
            meanings[name] = senses[0]
    return meanings


def _senses(name: str, num_kinds: Mapping[str, int]) -> list[str]:
    """Return the meanings of a name that have kinds; it is a plural if none has as it stands."""
    for word in noun_forms(name):
        senses = [synset for synset in wordnet_nouns().senses.get(word, ()) if num_kinds[synset]]
        if senses:
            return senses
    return []


def _children(
    classes: Iterable[_Candidate],
    parents: Mapping[str, ClassEntry],
    present: Iterable[ClassEntry],
) -> list[ClassEntry]:
    """Return the classes that have a parent and are not present, each name once.

    Args:
        parents: by synset.
    """
    names = chain.from_iterable((entry.name, *entry.synonyms) for entry in present)
    taken = set(chain.from_iterable(map(noun_forms, names)))
    children: dict[str, ClassEntry] = {}
    for candidate in classes:
        above = [synset for synset in parents if synset in candidate.ancestors]
        if above and not candidate.words & taken:
            nearest = min(above, key=candidate.ancestors.__getitem__)
            child = _child(candidate.name, parents[nearest])
            children.setdefault(loose_name(candidate.name), child)
    return list(children.values())


def _child(name: str, parent: ClassEntry) -> ClassEntry:
    # A prompt without {} is a sentence about the parent.
    prompts = tuple(prompt for prompt in parent.prompts or () if "{}" in prompt)
    return replace(parent, name=name, parent=parent.name, synonyms=(), prompts=prompts or None)


def _log_children(children: Sequence[ClassEntry], list_name: str) -> None:
    if not children:
        logger.info("no class of %s is a kind of what the vocabulary names", list_name)
        return
    counts = Counter(child.parent for child in children).most_common()
    listed = ", ".join(f"{parent} ({count})" for parent, count in counts[:_MAX_LOGGED])
    rest = ", ..." if len(counts) > _MAX_LOGGED else ""
    logger.info("classes of %s join the vocabulary: %s%s", list_name, listed, rest)
