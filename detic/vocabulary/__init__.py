"""Class names to embeddings: what the detector looks for, as vectors of CLIP's text encoder."""

from detic.vocabulary.builtin import builtin_categories, builtin_vocabulary
from detic.vocabulary.embedding import TextEmbedder, embed, encode_names
from detic.vocabulary.embedding_file import EmbeddingTable, read_embeddings, write_embeddings
from detic.vocabulary.parents import CANDIDATE_LISTS, expand_parents
from detic.vocabulary.text_encoder import CLIPTextEncoder, load_text_encoder
from detic.vocabulary.text_weights import weights_fingerprint
from detic.vocabulary.vocabulary import (
    ClassEntry,
    ClassExample,
    EmbeddedVocabulary,
    Vocabulary,
    parse_names,
)
from detic.vocabulary.vocabulary_file import read_vocabulary_file

__all__ = [
    "CANDIDATE_LISTS",
    "CLIPTextEncoder",
    "ClassEntry",
    "ClassExample",
    "EmbeddedVocabulary",
    "EmbeddingTable",
    "TextEmbedder",
    "Vocabulary",
    "builtin_categories",
    "builtin_vocabulary",
    "embed",
    "encode_names",
    "expand_parents",
    "load_text_encoder",
    "parse_names",
    "read_embeddings",
    "read_vocabulary_file",
    "weights_fingerprint",
    "write_embeddings",
]
