"""Files of class embeddings, as ``detic vocabulary embed`` writes them.

Shapes: C classes, D embedding width.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detic_lite.errors import InputError, first_line
from detic_lite.metadata import ModelMetadata
from detic_lite.vocabulary import check_names

FORMAT = "class embeddings 1"
_TENSOR = "embeddings"
_TYPES = {"F32": "<f4", "F16": "<f2"}
# What OpenAI's weights are called: by the word, and where its own package and the hub keep them
_OPENAI_NAMES = {
    "openai",
    "ViT-B-32-quickgelu",
    "ViT-B-32.pt",
    "open_clip_model.safetensors",
}


class NamedEmbeddings(NamedTuple):
    """Classes to look for."""

    names: tuple[str, ...]  # C
    embeddings: np.ndarray  # (C, D) float32


def read_embeddings(path: Path, metadata: ModelMetadata) -> NamedEmbeddings:
    """Return the classes of a ``.safetensors`` file.

    Args:
        metadata: of the detector that is to look for them.

    Raises:
        InputError: the file cannot be read, or is of another text encoder than the detector's.
    """
    if not path.is_file():
        raise InputError(f"there is no file of class embeddings {path}")
    try:
        origin, embeddings = _parse(path.read_bytes())
        names, model, fingerprint = (origin[key] for key in ("names", "model", "fingerprint"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read as class embeddings ({first_line(error)}); make it again with "
            "`detic vocabulary embed`"
        ) from error
    if not isinstance(names, list) or len(names) != len(embeddings):
        raise InputError(
            f"{path} holds embeddings without their names; make it with `detic vocabulary embed`"
        )
    width = embeddings.shape[1]
    if width != metadata.embedding_dim or _is_other_encoder(model, fingerprint, metadata):
        raise InputError(
            f"{path} was made by a different text encoder: {model or 'unknown'}, {width} wide; the "
            f"detector takes {metadata.text_encoder}, {metadata.embedding_dim} wide; embed the names "
            "again with that one"
        )
    return NamedEmbeddings(tuple(check_names(names, str(path))), embeddings)


def _parse(content: bytes) -> tuple[dict, np.ndarray]:
    """Return what a file says of its origin, and its embeddings (C, D) float32."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    about = header.get("__metadata__", {})
    if about.get("format") != FORMAT:
        raise ValueError(f"its format is {about.get('format')!r}, expected {FORMAT!r}")
    tensor = header[_TENSOR]
    if tensor["dtype"] not in _TYPES or len(tensor["shape"]) != 2:
        raise ValueError(f"an array of shape {tensor['shape']} and type {tensor['dtype']}")
    first, end = tensor["data_offsets"]
    flat = np.frombuffer(content[start + first : start + end], _TYPES[tensor["dtype"]])
    embeddings = flat.reshape(tensor["shape"]).astype(np.float32)
    if not np.isfinite(embeddings).all():
        raise ValueError("some values are not finite")
    return json.loads(about["origin"]), embeddings


def _is_other_encoder(model: str | None, fingerprint: str | None, own: ModelMetadata) -> bool:
    """Return whether a text encoder is another than the detector's; names count without fingerprints."""
    if fingerprint and own.text_encoder_fingerprint:
        return fingerprint != own.text_encoder_fingerprint
    if model is None:
        return False
    names = {Path(model).name, own.text_encoder}
    return len(names) == 2 and not names <= _OPENAI_NAMES
