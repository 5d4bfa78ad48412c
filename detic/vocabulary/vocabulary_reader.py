"""Whatever names a vocabulary, as a vocabulary with embeddings that fit the detector.

Shapes: C classes, D embedding width.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from detic.errors import InputError, unknown_choice
from detic.paths import dataset_path
from detic.vocabulary.builtin import FILES as BUILTIN
from detic.vocabulary.builtin import builtin_vocabulary
from detic.vocabulary.embedding import TextEmbedder
from detic.vocabulary.embedding_file import READERS as EMBEDDING_FILES
from detic.vocabulary.embedding_file import EmbeddingTable, read_embeddings
from detic.vocabulary.encoder_identity import local_fingerprint
from detic.vocabulary.prompts import DEFAULT_TEMPLATE, resolve_template
from detic.vocabulary.text_weights import OPENAI
from detic.vocabulary.vocabulary import EmbeddedVocabulary, Vocabulary, check_names
from detic.vocabulary.vocabulary_file import LIST_READERS, read_vocabulary_file

VocabularyLike = Vocabulary | str | os.PathLike | Sequence[str]

# Built-in class lists that were published with embeddings.
RELEASED_EMBEDDINGS = {
    "lvis": "datasets/metadata/lvis_v1_clip_a+cname.npy",
    "coco": "datasets/metadata/coco_clip_a+cname.npy",
    "objects365": "datasets/metadata/o365_clip_a+cnamefix.npy",
    "openimages": "datasets/metadata/oid_clip_a+cname.npy",
}
RELEASED_ENCODER = (OPENAI, DEFAULT_TEMPLATE, 512)  # their weights, prompt and width


def read_classes(source: VocabularyLike) -> Vocabulary:
    """Return the classes that ``source`` names, without embeddings unless it has them.

    Args:
        source: as ``VocabularyReader.read`` takes it, but for files of embeddings.

    Raises:
        InputError: there is no such vocabulary, it is malformed, or it is a file of embeddings.
    """
    if isinstance(source, Vocabulary):
        return source
    if not isinstance(source, str | os.PathLike):
        return _listed_classes(source)
    if source in BUILTIN:
        return builtin_vocabulary(source)
    if Path(source).suffix in EMBEDDING_FILES:
        raise InputError(
            f"{source} holds embeddings of its classes, and no others can join them; name a file of "
            f"the class names alone ({', '.join(LIST_READERS)})"
        )
    if Path(source).suffix in LIST_READERS:
        return read_vocabulary_file(source)
    choices = [*BUILTIN, f"a file ({', '.join([*LIST_READERS, '.safetensors'])})"]
    raise unknown_choice("vocabulary", os.fspath(source), choices)


def _listed_classes(source: object) -> Vocabulary:
    """Return the classes of a list of names, which a caller may have got wrong."""
    if not isinstance(source, Iterable):
        raise InputError(
            f"the vocabulary is {source!r}; expected a list of class names, a built-in list "
            f"({', '.join(BUILTIN)}), a file or a Vocabulary"
        )
    if isinstance(source, set | frozenset):
        raise InputError(
            "the vocabulary is a set, which has no order, and labels are places in it; give a list, such "
            "as sorted(names)"
        )
    if isinstance(source, Mapping):
        raise InputError(
            "the vocabulary is a dictionary, whose values say nothing here; give a list of its names, or "
            "a Vocabulary or a file of classes with more than a name"
        )
    names = list(source)
    for position, name in enumerate(names, start=1):
        if not isinstance(name, str):
            raise InputError(f"class list: name {position} is {name!r}; expected a text")
    names = [name.strip() for name in names]
    check_names(names, "class list")
    return Vocabulary.from_names(names)


class VocabularyReader:
    """Reader of vocabularies for a detector, which also embeds them.

    Args:
        text_weights: the text encoder that the detector was trained with, as ``read_text_encoder``
            takes it.
        prompt: a template's name, or a text with ``{}`` for the class name.
        embedding_dim: width D of the detector's classifier.
    """

    def __init__(self, text_weights: str | os.PathLike, prompt: str, embedding_dim: int):
        self.text_weights = os.fspath(text_weights)
        self.prompt = prompt
        self.embedding_dim = embedding_dim

    def read(self, source: VocabularyLike) -> EmbeddedVocabulary:
        """Return the vocabulary that ``source`` names, with embeddings (C, D).

        Args:
            source: a Vocabulary; a list of class names; the name of a built-in class list; or a
                file: ``.txt``, ``.yaml``, ``.json`` of names, ``.safetensors`` of embeddings.

        Raises:
            InputError: there is no such vocabulary, it is malformed, or its embeddings were not
                made by the detector's text encoder.
        """
        vocabulary = self._find(source)
        if not isinstance(vocabulary, EmbeddedVocabulary):
            vocabulary = self.embedder.embed(vocabulary, self.prompt)
        width = vocabulary.embeddings.shape[1]
        if width != self.embedding_dim:
            raise InputError(
                f"the vocabulary's embeddings are {width} wide, the detector's classifier is "
                f"{self.embedding_dim} wide: they were made by another text encoder than the one "
                "the detector was trained with"
            )
        return vocabulary

    def as_table(self, vocabulary: EmbeddedVocabulary) -> EmbeddingTable:
        """Return a vocabulary of the detector as files of embeddings hold it."""
        return EmbeddingTable(
            embeddings=vocabulary.embeddings,
            names=vocabulary.names,
            model=self.text_weights,
            templates=(resolve_template(self.prompt),),
            fingerprint=local_fingerprint(self.text_weights),
        )

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The text encoder with its cache, made when the first name has to be embedded."""
        embedder = TextEmbedder(self.text_weights)
        if embedder.embed_dim != self.embedding_dim:
            raise InputError(
                f"the text encoder {self.text_weights} makes {embedder.embed_dim}-wide embeddings, "
                f"the detector's classifier is {self.embedding_dim} wide; name the text encoder that "
                "the detector was trained with (MODEL.TEXT_ENCODER.WEIGHTS)"
            )
        return embedder

    def _find(self, source: VocabularyLike) -> Vocabulary:
        if isinstance(source, str | os.PathLike):
            if source in BUILTIN:
                return self._builtin(source)
            if Path(source).suffix in EMBEDDING_FILES:
                return self._from_embedding_file(Path(source))
        return read_classes(source)

    def _builtin(self, name: str) -> Vocabulary:
        vocabulary = builtin_vocabulary(name)
        encoder = (self.text_weights, self.prompt, self.embedding_dim)
        if encoder != RELEASED_ENCODER or name not in RELEASED_EMBEDDINGS:
            return vocabulary
        path = dataset_path(RELEASED_EMBEDDINGS[name])
        if not path.is_file():
            return vocabulary
        table = read_embeddings(path, self.embedding_dim, len(vocabulary))
        return vocabulary.with_embeddings(table.embeddings)

    def _from_embedding_file(self, path: Path) -> Vocabulary:
        table = read_embeddings(path, self.embedding_dim, text_weights=self.text_weights)
        if table.names is None:
            raise InputError(
                f"{path} holds embeddings without names; write them to a .safetensors file, which "
                "has names (detic.vocabulary.write_embeddings)"
            )
        return Vocabulary.from_names(table.names).with_embeddings(table.embeddings)
