"""CLIP's byte-pair encoding in plain Python.

A token is a byte, inside a word or at its end, or two tokens that were merged. Merges are tried in
order of frequency.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

_CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
_RUN = re.compile(r"L+|N|\.+")  # of kinds of characters: letters, one number, others

# What people and programs type in place of plain letters and quotes
_LIGATURES = ("ĲĳŉǄǅǆǇǈǉǊǋǌǱǲǳ", "ﬀﬁﬂﬃﬄﬅﬆ")
_WIDE = range(0xFF01, 0xFFF0)
_PLAIN = {
    **{ord(c): unicodedata.normalize("NFKC", c) for c in "".join(_LIGATURES)},
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in (*_WIDE, 0x3000)},
    **dict.fromkeys(map(ord, "ʼ‘’‚‛"), "'"),
    **dict.fromkeys(map(ord, "“”„‟"), '"'),
}


class Tokenizer:
    """Texts to token ids.

    The table starts with 256 bytes inside a word and 256 at its end; merged tokens follow in the order
    of their merges; the start and the end token are last.

    Args:
        byte_ids: the token of each byte inside a word; at the end of a word it is 256 larger.
        merges: pairs of tokens.
        context_length: tokens of a text, start and end token included.
    """

    def __init__(
        self, byte_ids: Sequence[int], merges: Sequence[Sequence[int]], context_length: int
    ):
        self.byte_ids = byte_ids
        self.ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
        self.context_length = context_length
        self.start = 512 + len(merges)
        self.end = self.start + 1
        self._tokens_of_word = lru_cache(maxsize=4096)(self._merged)

    def __call__(self, text: str) -> list[int]:
        """Return the tokens of a text; of one that is too long, those of its beginning."""
        words = (self._tokens_of_word(word) for word in split_words(plain_text(text)))
        tokens = [token for word in words for token in word]
        return [self.start, *tokens[: self.context_length - 2], self.end]

    def _merged(self, word: str) -> tuple[int, ...]:
        tokens = [self.byte_ids[byte] for byte in word.encode()]
        tokens[-1] += 256
        while len(tokens) > 1:
            ranks = [self.ranks.get(pair, len(self.ranks)) for pair in pairwise(tokens)]
            best = min(ranks)
            if best == len(self.ranks):
                break
            tokens = _with_merge(tokens, ranks, best)
        return tuple(tokens)


def _with_merge(tokens: list[int], ranks: list[int], best: int) -> list[int]:
    """Return the tokens with all pairs of a rank merged, from the left."""
    merged, place = [], 0
    while place < len(tokens):
        is_pair = place < len(ranks) and ranks[place] == best
        merged.append(512 + best if is_pair else tokens[place])
        place += 2 if is_pair else 1
    return merged


def plain_text(text: str) -> str:
    """Return a text in small letters, with single spaces and plain characters for HTML's references.

    >>> plain_text("  Kid’s&amp;Dog’s\\tToy ")
    "kid's&dog's toy"
    """
    text = unicodedata.normalize("NFC", text.translate(_PLAIN))
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def split_words(text: str) -> Iterator[str]:
    """Yield what is encoded by itself: runs of letters, single digits, runs of other characters.

    >>> list(split_words("it's no 42, ok"))
    ['it', "'s", 'no', '4', '2', ',', 'ok']
    """
    kinds = "".join(map(_kind, text))
    place = 0
    while place < len(text):
        found = _CONTRACTION.match(text, place) or _RUN.match(kinds, place)
        if found is None:  # a space
            place += 1
            continue
        yield text[place : found.end()]
        place = found.end()


def _kind(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "."
