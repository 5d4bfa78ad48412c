"""WordNet's database files: reading the nouns, keeping those that class lists refer to.

Source of the format: the manual page wndb(5) of WordNet 3.0.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from detic.errors import InputError
from detic.vocabulary.wordnet import WordNetNouns

_RELEASE = "WordNet 3.0"  # the numbers in synset names differ between releases
_HYPERNYM_POINTERS = ("@", "@i")  # a kind of; an instance of


def read_nouns(folder: Path) -> WordNetNouns:
    """Return all nouns of WordNet.

    Args:
        folder: holds ``data.noun`` and ``index.noun``.

    Raises:
        InputError: the files are missing, or of another release.
    """
    offsets_by_word = dict(map(_parse_index, _lines(folder / "index.noun")))
    synsets = dict(map(_parse_synset, _lines(folder / "data.noun")))
    names = {
        offset: _synset_name(words[0], offsets_by_word[words[0]].index(offset) + 1)
        for offset, (words, _) in synsets.items()
    }
    return WordNetNouns(
        hypernyms={names[o]: [names[h] for h in above] for o, (_, above) in synsets.items()},
        senses={word: [names[o] for o in offsets] for word, offsets in offsets_by_word.items()},
    )


def with_ancestors(nouns: WordNetNouns, synsets: Collection[str]) -> WordNetNouns:
    """Return the part of WordNet that holds these synsets, all above them, and their words."""
    kept = {synset for synset in synsets if synset in nouns.hypernyms}
    kept.update(*map(nouns.ancestors, kept))
    senses = {word: [s for s in nouns.senses[word] if s in kept] for word in sorted(nouns.senses)}
    return WordNetNouns(
        hypernyms={synset: list(nouns.hypernyms[synset]) for synset in sorted(kept)},
        senses={word: synsets for word, synsets in senses.items() if synsets},
    )


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines after the licence, which is indented."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}; name the folder dict of {_RELEASE}, which "
            "has data.noun and index.noun"
        ) from error
    lines = text.splitlines()
    licence = [line for line in lines if line.startswith("  ")]
    if not any(f"{_RELEASE} Copyright" in line for line in licence):
        raise InputError(f"{path} is not of {_RELEASE}, whose synset names the class lists use")
    return (line for line in lines if not line.startswith("  "))


def _parse_index(line: str) -> tuple[str, list[str]]:
    """Return word and offsets of a line ``word pos count ... offset offset``."""
    fields = line.split()
    return fields[0], fields[-int(fields[2]) :]


def _parse_synset(line: str) -> tuple[str, tuple[list[str], list[str]]]:
    """Return offset, words and hypernyms' offsets of a line of ``data.noun``.

    The fields are offset, file, part of speech and number of words (hexadecimal). Word and number
    of each follow, then the number of pointers, four fields of each, and the gloss after a bar.
    """
    fields = line.partition(" | ")[0].split()
    words_end = 4 + 2 * int(fields[3], 16)
    words = [word.lower() for word in fields[4:words_end:2]]
    pointers = zip(fields[words_end + 1 :: 4], fields[words_end + 2 :: 4], strict=False)
    above = [offset for symbol, offset in pointers if symbol in _HYPERNYM_POINTERS]
    return fields[0], (words, above)


def _synset_name(word: str, sense: int) -> str:
    return f"{word}.n.{sense:02d}"
