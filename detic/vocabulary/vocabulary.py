"""A vocabulary: the classes a detector looks for, and once embedded also their vectors.

Shapes: C classes, D embedding width.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from detic.errors import InputError, shown

BoxXYXY = tuple[float, float, float, float]  # pixels


@dataclass(frozen=True)
class ClassExample:
    """An image that shows a class."""

    image: str  # path
    box: BoxXYXY | None = None  # of an object of the class; None: most of the image shows it


@dataclass(frozen=True)
class ClassEntry:
    """One class of a vocabulary; everything but the name may be left out."""

    name: str  # shown in results and, unless prompts say otherwise, embedded
    synonyms: tuple[str, ...] = ()  # further names, embedded along with the name and averaged
    prompts: tuple[str, ...] | None = None  # templates or whole sentences for this class alone
    parent: str | None = None  # the name of a more general class of the same vocabulary
    negative: bool = False  # competes for boxes, but its detections are left out of the results
    score_threshold: float | None = None  # lowest score shown, 0..1, in place of the common one
    color: tuple[int, int, int] | None = None  # RGB, 0..255, in place of an automatic one
    examples: tuple[ClassExample, ...] = ()  # what a detector fits the class's vector to


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Classes in the order of the classifier's columns; never changed, only replaced.

    A class is identified by its index. Names of built-in vocabularies may repeat: OpenImages has
    two classes Bench and two classes Mouse.
    """

    entries: tuple[ClassEntry, ...]

    def __post_init__(self):
        if not self.entries:
            raise InputError("the vocabulary is empty; name at least one class")

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "Vocabulary":
        """Return the vocabulary of these names, without embeddings."""
        return cls(tuple(map(ClassEntry, names)))

    @property
    def names(self) -> tuple[str, ...]:
        """The class names by index."""
        return tuple(entry.name for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def with_embeddings(self, embeddings: torch.Tensor) -> "EmbeddedVocabulary":
        """Return the same classes with these (C, D) embeddings, as float32."""
        vectors = torch.as_tensor(embeddings, dtype=torch.float32)
        return EmbeddedVocabulary(self.entries, vectors)


@dataclass(frozen=True, eq=False)
class EmbeddedVocabulary(Vocabulary):
    """A vocabulary with the vectors of its classes."""

    embeddings: torch.Tensor  # (C, D) float32, not normalised

    def __post_init__(self):
        super().__post_init__()
        if self.embeddings.shape[:-1] != (len(self),):
            raise InputError(
                f"embeddings of shape {tuple(self.embeddings.shape)} do not fit a vocabulary of "
                f"{len(self)} classes; expected ({len(self)}, D)"
            )


def parse_names(text: str) -> tuple[str, ...]:
    """Return the class names of a comma-separated list, without the space around them.

    >>> parse_names("cat, traffic light")
    ('cat', 'traffic light')

    Raises:
        InputError: a name is empty or occurs twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    check_names(names, "class list")
    return names


# Controls (among them ends of lines), halves of characters, separators of lines and paragraphs
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_NONCHARACTERS = "\ufffe\uffff"  # which XML does not admit either


def check_text(text: str, where: str) -> None:
    """Refuse a text with signs that files of results, or their lines, cannot hold.

    Args:
        text: a name, or another text of a vocabulary.
        where: what it was read from, for the message.
    """
    for sign in text:
        if unicodedata.category(sign) in _UNPRINTABLE or sign in _NONCHARACTERS:
            raise InputError(
                f"{where}: {shown(text)} has the unprintable sign U+{ord(sign):04X}; remove it"
            )


def check_names(names: Iterable[str], where: str):
    """Refuse empty, repeated and unprintable names, slips when a person wrote the list.

    Args:
        names: the names in order.
        where: what they were read from, for the message.
    """
    positions: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        check_text(name, f"{where}: name {position}")
        if not name:
            raise InputError(f"{where}: name {position} is empty; fill it in or remove it")
        if name in positions:
            raise InputError(
                f"{where}: '{name}' is both name {positions[name]} and name {position}; remove one"
            )
        positions[name] = position
