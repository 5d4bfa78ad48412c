"""The classes of a model, and where their vectors come from.

Shapes: C classes, D embedding width.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from detic.config import class_count, class_count_key
from detic.errors import InputError, some_of
from detic.files import fingerprint
from detic.paths import find_file
from detic.vocabulary.embedding import TextEmbedder
from detic.vocabulary.embedding_file import read_embeddings, read_table
from detic.vocabulary.text_weights import OPENAI
from detic.vocabulary.vocabulary_file import LIST_READERS, read_vocabulary_file

# The one key that says what the classes are: a file of vectors, a file of names, or SET_LATER.
KEY = "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH"
SET_LATER = "rand"


class ClassSource(Enum):
    """What is known of a model's classes when it is built."""

    EMBEDDINGS = "embeddings"  # their vectors, maybe with names
    NAMES = "names"  # which are embedded
    SET_LATER = "later"  # nothing: weights or a request bring the vectors


@dataclass(frozen=True)
class ModelClasses:
    """The classes of a model; a closed classifier knows at most their names."""

    source: ClassSource
    path: Path | None  # of the file, maybe a missing one if they are set later; None: none is named
    count: int  # C
    width: int  # D
    text_weights: str | None = None  # the text encoder, see read_text_encoder; None: not known
    prompt: str = "a"  # a template's name, or a text with {} for the class name
    count_key: str = "MODEL.ROI_HEADS.NUM_CLASSES"  # that says C

    @classmethod
    def from_config(cls, cfg) -> "ModelClasses":
        """Return the classes of a recipe's model."""
        node = cfg.MODEL.ROI_BOX_HEAD
        # add_detic_config alone, as upstream programs call it, declares no text encoder.
        encoder = cfg.MODEL.get("TEXT_ENCODER") or {}
        given = node.ZEROSHOT_WEIGHT_PATH
        path = None if given == SET_LATER else find_file(given)
        return cls(
            source=ClassSource.SET_LATER if path is None else _source_of(path),
            path=path,
            count=class_count(cfg),
            width=node.ZEROSHOT_WEIGHT_DIM,
            text_weights=encoder.get("WEIGHTS"),
            prompt=encoder.get("PROMPT", "a"),
            count_key=class_count_key(cfg),
        )

    @property
    def _file(self) -> Path:
        assert self.path is not None  # there is one unless they are set later
        return self.path

    @property
    def are_named(self) -> bool:
        """Whether a list of names is the truth about the classes."""
        return self.source is ClassSource.NAMES

    @property
    def are_set_later(self) -> bool:
        """Whether the vectors come after the model was built."""
        return self.source is ClassSource.SET_LATER

    def with_those_of_weights(self) -> "ModelClasses":
        """Return the classes to be set by weights if the file of their vectors is missing.

        A detector's weights hold the vectors of its classes, so an evaluation needs no other copy.
        """
        if self.source is ClassSource.EMBEDDINGS and not self._file.is_file():
            return replace(self, source=ClassSource.SET_LATER)
        return self

    def vectors(self) -> Tensor:
        """Return the embeddings (C, D), not normalised; a small random stand-in if set later.

        Raises:
            InputError: the file is missing or malformed, or does not fit the model.
        """
        if self.source is ClassSource.SET_LATER:
            return random_embeddings(self.count, self.width)
        if self.source is ClassSource.EMBEDDINGS:
            table = read_embeddings(self._file, self.width, self.count, self.text_weights)
            return table.embeddings
        self.check_count()
        size, written = fingerprint(self._file)
        encoder = self.text_weights or OPENAI
        embeddings = _embedded(self._file, size, written, encoder, self.prompt)
        if embeddings.shape[1] != self.width:
            raise InputError(
                f"the text encoder {self.text_weights} makes {embeddings.shape[1]}-wide "
                f"embeddings, the detector's classifier is {self.width} wide; name the text encoder "
                "that the detector was trained with (MODEL.TEXT_ENCODER.WEIGHTS)"
            )
        return embeddings

    def names(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of the classifier.

        Raises:
            InputError: the file is missing or malformed, or does not know the names.
        """
        if self.source is ClassSource.NAMES:
            return read_vocabulary_file(self._file).names
        names = None if self.path is None else read_table(self.path).names
        if names is None:
            raise InputError(
                f"{self.path or SET_LATER} holds embeddings without names, so data cannot be matched "
                f"to the model's classes by name; let {KEY} name a vocabulary file (.txt, .yaml or "
                ".json) or a .safetensors file"
            )
        return names

    def check_count(self) -> None:
        """Check that a list of names has as many classes as the model.

        Raises:
            InputError: it does not.
        """
        count = len(read_vocabulary_file(self._file))
        if count != self.count:
            raise InputError(
                f"{self.path} names {count} classes, {self.count_key} is {self.count}; "
                f"set {self.count_key} to {count}"
            )


def random_embeddings(num_classes: int, dim: int) -> Tensor:
    """Return a stand-in (C, D) for embeddings that are set later."""
    return 0.01 * torch.randn(num_classes, dim)


def _source_of(path: Path) -> ClassSource:
    """Return what a file holds, judged by its suffix."""
    return ClassSource.NAMES if path.suffix in LIST_READERS else ClassSource.EMBEDDINGS


@cache
def _embedded(
    path: Path, num_bytes: int, written_ns: int, text_weights: str, prompt: str
) -> Tensor:
    """Return the embeddings of a vocabulary file; all stages of a model ask for the same.

    Args:
        num_bytes, written_ns: of the file, so that one that has changed is read anew.
    """
    vocabulary = read_vocabulary_file(path)
    with_examples = [entry.name for entry in vocabulary.entries if entry.examples]
    if with_examples:
        raise InputError(
            f"{path}: {some_of(with_examples)} has examples, which only a finished detector can read; "
            "let `detic vocabulary tune` make a .safetensors file of the vocabulary and name that"
        )
    return TextEmbedder(text_weights).embed(vocabulary, prompt).embeddings
