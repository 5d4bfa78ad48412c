"""The classes of a world: every noun in four of the five looks, some nouns novel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detic.errors import InputError
from detic.shapes.looks import LOOKS
from detic.shapes.nouns import ALL_NOUNS, BENCHMARK_NOUNS
from detic.shapes.streams import Stream, generator

NOVEL_SHARE = 7 / 24  # of the nouns


@dataclass(frozen=True)
class ShapeClass:
    """One class of a world."""

    id: int  # category id, from 1
    look: str  # how it is coloured, one of LOOKS
    noun: str  # what it is, one of ALL_NOUNS
    novel: bool  # whether its boxes are withheld from training

    @property
    def name(self) -> str:
        return f"{self.look} {self.noun}"


def draw_classes(seed: int, nouns: Sequence[str] = BENCHMARK_NOUNS) -> tuple[ShapeClass, ...]:
    """Return the classes of the world with this seed, ids from 1 in the order of the nouns.

    Whole nouns are novel, in every look. If only combinations of known nouns and looks were novel,
    the look alone would give most classes away.

    Args:
        seed: decides which nouns are novel and which look each noun lacks.
        nouns: two or more of ``detic.shapes.nouns.ALL_NOUNS``, each once.

    Raises:
        InputError: a noun is unknown or repeated, or there are fewer than two.
    """
    check_nouns(nouns)
    rng = generator(seed, Stream.CLASSES)
    num_novel = max(1, round(NOVEL_SHARE * len(nouns)))
    novel = set(rng.permutation(len(nouns))[:num_novel].tolist())
    missing = rng.permutation(len(nouns)) % len(LOOKS)  # each look is lacking equally often
    pairs = [
        (look, noun, index in novel)
        for index, noun in enumerate(nouns)
        for look_index, look in enumerate(LOOKS)
        if look_index != missing[index]
    ]
    return tuple(ShapeClass(number, *pair) for number, pair in enumerate(pairs, start=1))


def every_class(nouns: Sequence[str] = ALL_NOUNS) -> tuple[ShapeClass, ...]:
    """Return every noun in every look, base classes all, ids from 1."""
    pairs = [(look, noun) for noun in nouns for look in LOOKS]
    return tuple(
        ShapeClass(number, look, noun, novel=False)
        for number, (look, noun) in enumerate(pairs, start=1)
    )


def check_nouns(nouns: Sequence[str]) -> None:
    """Raise InputError unless the nouns are two or more known ones, each named once."""
    unknown = [noun for noun in nouns if noun not in ALL_NOUNS]
    if unknown:
        raise InputError(f"unknown noun '{unknown[0]}'; choose from {', '.join(ALL_NOUNS)}")
    if len(set(nouns)) != len(nouns) or len(nouns) < 2:
        raise InputError(f"a world needs two or more nouns, each once; got {', '.join(nouns)}")


def long_tailed_weights(num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return the share of each class among the training objects, (num_classes,) summing to 1.

    Shares fall with the square root of a random rank: with 96 classes, the most common is about
    ten times as frequent as the rarest.
    """
    shares = (1 + rng.permutation(num_classes)) ** -0.5
    return shares / shares.sum()
