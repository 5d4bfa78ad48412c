"""A vocabulary in the order of a dataset's classes, which are known by name.

Shapes: C classes, D embedding width.
"""

from collections.abc import Sequence
from itertools import zip_longest

from detic.errors import InputError
from detic.vocabulary.names import loose_name
from detic.vocabulary.vocabulary import EmbeddedVocabulary

Names = Sequence[str]  # what one class is called; one name is enough to match it


def in_class_order(
    vocabulary: EmbeddedVocabulary, classes: Sequence[Names], where: str
) -> EmbeddedVocabulary:
    """Return the classes of a vocabulary in the order of a dataset.

    Capitals, underscores and spaces do not count. Names that repeat are accepted in the order of
    the dataset alone.

    Args:
        vocabulary: C classes.
        classes: the names of each class of the dataset.
        where: what the vocabulary and the dataset are, for the message.

    Raises:
        InputError: they do not have the same classes.
    """
    given = [loose_name(name) for name in vocabulary.names]
    wanted = [tuple(map(loose_name, names)) for names in classes]
    if len(given) == len(wanted) and all(map(_is_among, given, wanted)):
        return vocabulary
    index_of = {name: index for index, name in enumerate(given)}
    order = [next((index_of[n] for n in names if n in index_of), -1) for names in wanted]
    if sorted(order) != list(range(len(given))):
        raise InputError(
            f"{where}: the vocabulary has {len(given)} classes, the dataset {len(wanted)}; "
            f"{_first_difference(vocabulary.names, classes, order)}; name a vocabulary of the "
            "dataset's classes"
        )
    entries = tuple(vocabulary.entries[index] for index in order)
    return EmbeddedVocabulary(entries, vocabulary.embeddings[order])


def _is_among(name: str, names: Names) -> bool:
    return name in names


def _first_difference(given: Sequence[str], classes: Sequence[Names], order: Sequence[int]) -> str:
    """Return the first class that the vocabulary lacks or, if it has all, has in another place."""
    if -1 in order:
        missing = order.index(-1)
        return f"it lacks class number {missing + 1}, {classes[missing][0]!r}"
    pairs = zip_longest(given, (names[0] for names in classes))
    number, (ours, theirs) = next(
        (number, pair)
        for number, pair in enumerate(pairs, start=1)
        if None in pair or loose_name(pair[0]) != loose_name(pair[1])
    )
    return f"class number {number} is {ours!r} in the vocabulary and {theirs!r} in the dataset"
