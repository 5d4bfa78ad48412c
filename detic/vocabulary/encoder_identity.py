"""Which text encoder class embeddings come from, and whether it is the detector's.

A text encoder is known by the fingerprint of its weights or, where those are not at hand, by name.
"""

import os
from functools import cache
from pathlib import Path

from detic.errors import InputError
from detic.vocabulary.open_clip_encoder import (
    OpenClipName,
    is_open_clip,
    load_open_clip,
    local_open_clip_weights,
)
from detic.vocabulary.text_weights import (
    OPENAI,
    OPENAI_ARCHIVE,
    OPENAI_HUB_FILE,
    OPENAI_MODEL,
    local_text_weights,
    weights_fingerprint,
)

# What OpenAI's weights are called: by the word, and where its own package and the hub keep them.
_OPENAI_NAMES = (OPENAI, OPENAI_MODEL, OPENAI_ARCHIVE, OPENAI_HUB_FILE)


def is_same_name(one: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Return whether two text encoders have the same name, wherever their files lie.

    >>> is_same_name("openai", "/models/ViT-B-32.pt"), is_same_name("openai", "tiny/clip.pt")
    (True, False)
    """
    names = {encoder_name(one), encoder_name(other)}
    return len(names) == 1 or names.issubset(_OPENAI_NAMES)


def local_fingerprint(source: str | os.PathLike) -> str | None:
    """Return the fingerprint of a text encoder's weights, None if they are not on this machine.

    Nor is there one where a model of open_clip lacks its tokenizer.
    """
    source = os.fspath(source)
    path = (local_open_clip_weights if is_open_clip(source) else local_text_weights)(source)
    if path is None:
        return None
    status = path.stat()
    try:
        return _fingerprint(source, path, status.st_mtime_ns, status.st_size)
    except InputError:
        if is_open_clip(source):
            return None
        raise


@cache
def _fingerprint(source: str, path: Path, written_ns: int, num_bytes: int) -> str:
    """Return the fingerprint of a source whose file this is; one that has changed is read anew."""
    return load_open_clip(source).fingerprint if is_open_clip(source) else weights_fingerprint(path)


def encoder_name(model: str | os.PathLike) -> str:
    """Return what a text encoder is called, wherever its file lies."""
    model = os.fspath(model)
    return OpenClipName.parse(model).short if is_open_clip(model) else Path(model).name


def check_text_encoder(
    path: str | os.PathLike,
    model: str | None,
    fingerprint: str | None,
    source: str | os.PathLike,
) -> None:
    """Refuse class embeddings of another text encoder than the detector's.

    Names count only where a fingerprint is not known; embeddings with neither are trusted.

    Args:
        path: of the embeddings.
        model: name of the encoder that made them, None if they do not say.
        fingerprint: of its weights, None if they do not say.
        source: the detector's text encoder, as ``read_text_encoder`` takes it.

    Raises:
        InputError: names both encoders.
    """
    expected = local_fingerprint(source) if fingerprint else None
    by_name = model is None or is_same_name(model, source)
    if not (fingerprint == expected if expected else by_name):
        raise InputError(
            f"{path} was made by a different CLIP: by the text encoder {model} (fingerprint "
            f"{fingerprint or 'unknown'}), the detector's is {source} ({expected or 'unknown'}); "
            "embed the class names again with the detector's, or name the other in "
            "MODEL.TEXT_ENCODER.WEIGHTS if the detector was trained with it"
        )
