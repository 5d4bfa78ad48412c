"""The classes of a model: the file that ``MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH`` names.

It holds embeddings, or class names, which are embedded when the model is built.

Shapes: C classes, D embedding width.
"""

import os
from functools import cache
from pathlib import Path

from torch import Tensor

from detic.errors import InputError
from detic.vocabulary.embedding import TextEmbedder
from detic.vocabulary.embedding_file import read_table
from detic.vocabulary.vocabulary_file import LIST_READERS, read_vocabulary_file

KEY = "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH"


def is_class_list(path: str | os.PathLike) -> bool:
    """Return whether a file holds class names rather than embeddings, judged by its suffix."""
    return Path(path).suffix in LIST_READERS


def model_class_names(path: str | os.PathLike) -> tuple[str, ...]:
    """Return the names of a model's classes, in the order of its classifier.

    Args:
        path: a vocabulary file (.txt, .yaml, .json) or embeddings with names (.safetensors).

    Raises:
        InputError: the file is missing or malformed, or does not know the names.
    """
    if is_class_list(path):
        return read_vocabulary_file(path).names
    names = read_table(Path(path)).names
    if names is None:
        raise InputError(
            f"{path} holds embeddings without names, so data cannot be matched to the model's "
            f"classes by name; let {KEY} name a vocabulary file (.txt, .yaml or .json) or a "
            ".safetensors file"
        )
    return names


def check_class_count(path: str | os.PathLike, num_classes: int) -> None:
    """Check that a vocabulary file names as many classes as the model has.

    Raises:
        InputError: it does not.
    """
    count = len(read_vocabulary_file(path))
    if count != num_classes:
        raise InputError(
            f"{path} names {count} classes, MODEL.ROI_HEADS.NUM_CLASSES is {num_classes}; set "
            f"MODEL.ROI_HEADS.NUM_CLASSES to {count}"
        )


def embed_class_list(
    path: str | os.PathLike,
    text_weights: str | os.PathLike,
    prompt: str,
    embedding_dim: int,
    num_classes: int,
) -> Tensor:
    """Return the embeddings (C, D) of a vocabulary file's classes, not normalised.

    A name is embedded once; later runs find it in the cache.

    Args:
        path: a vocabulary file.
        text_weights: the text encoder, ``openai`` or a file.
        prompt: a template's name, or a text with ``{}`` for the class name.
        embedding_dim: D of the model.
        num_classes: C of the model.

    Raises:
        InputError: the file is missing or malformed, or does not fit the model.
    """
    check_class_count(path, num_classes)
    embeddings = _embedded(os.fspath(path), os.stat(path).st_mtime_ns, text_weights, prompt)
    if embeddings.shape[1] != embedding_dim:
        raise InputError(
            f"the text encoder {text_weights} makes {embeddings.shape[1]}-wide embeddings, the "
            f"detector's classifier is {embedding_dim} wide; name the text encoder that the "
            "detector was trained with (MODEL.TEXT_ENCODER.WEIGHTS)"
        )
    return embeddings


@cache
def _embedded(path: str, written_ns: int, text_weights: str | os.PathLike, prompt: str) -> Tensor:
    """Return the embeddings of a vocabulary file; all stages of a model ask for the same.

    Args:
        written_ns: when the file was written, so that a file that has changed is read anew.
    """
    return TextEmbedder(text_weights).embed(read_vocabulary_file(path), prompt).embeddings
