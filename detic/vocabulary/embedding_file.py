"""Files of class embeddings.

``.npy`` is the format of the released classifiers: a bare array. ``.safetensors`` is ours: it
also says whose embeddings they are and which text encoder made them.

Shapes: C classes, D embedding width.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from detic.errors import InputError, in_short, unknown_choice
from detic.files import unfinished_path
from detic.paths import find_file, looked_for
from detic.vocabulary.encoder_identity import check_text_encoder

FORMAT = "class embeddings 1"
TENSOR = "embeddings"


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Embeddings and their origin; ``.npy`` files know the embeddings alone."""

    embeddings: torch.Tensor  # (C, D) float32, not normalised
    names: tuple[str, ...] | None = None  # C class names
    model: str | None = None  # the text encoder in words
    templates: tuple[str, ...] = ()  # the prompt templates the names were put into
    fingerprint: str | None = None  # of the text encoder's weights, see weights_fingerprint


def read_embeddings(
    path: str | os.PathLike,
    expect_dim: int,
    expect_classes: int | None = None,
    text_weights: str | os.PathLike | None = None,
) -> EmbeddingTable:
    """Return the class embeddings of a file that fit a detector.

    Args:
        path: a ``.npy`` or ``.safetensors`` file.
        expect_dim: the width D of the detector's classifier.
        expect_classes: the number of classes C, if only one will do.
        text_weights: the text encoder the embeddings must come from, see ``read_text_encoder``; a
            ``.npy`` file does not know its text encoder and is trusted. None: any will do.

    Raises:
        InputError: the file is missing or damaged, or its contents do not fit.
    """
    path = Path(path)
    table = read_table(path)
    count, width = table.embeddings.shape
    if width != expect_dim:
        raise InputError(
            f"{path} holds {width}-wide class embeddings, the detector's classifier is "
            f"{expect_dim} wide: they were made by another text encoder; choose the embeddings "
            "made by the encoder the detector was trained with (MODEL.ROI_BOX_HEAD."
            "ZEROSHOT_WEIGHT_DIM is its width)"
        )
    if expect_classes is not None and count != expect_classes:
        raise InputError(
            f"{path} holds {count} classes, expected {expect_classes}; choose the embeddings of "
            f"the right vocabulary or set the number of classes to {count}"
        )
    if text_weights is not None:
        check_text_encoder(path, table.model, table.fingerprint, text_weights)
    return table


def read_table(path: Path) -> EmbeddingTable:
    """Return the contents of an embedding file, whatever they fit."""
    if path.suffix not in READERS:
        raise unknown_choice("embedding file format", path.suffix or path.name, READERS)
    named, path = path, find_file(path)
    if not path.is_file():
        raise InputError(
            f"no class embeddings at {named}; {looked_for(named)}; datasets/README.md tells how to "
            "make or get them"
        )
    try:
        table = READERS[path.suffix](path)
    except Exception as error:  # numpy, json and safetensors each have exceptions of their own
        # NumPy takes what it does not know for a pickle, and tells how to run it.
        reason = "it holds no array" if "pickle" in str(error) else in_short(str(error))
        raise InputError(
            f"{path} cannot be read as class embeddings ({reason}); delete the file and make or "
            "fetch it again"
        ) from error
    _check_table(table, str(path))
    return table


def write_embeddings(path: str | os.PathLike, table: EmbeddingTable) -> None:
    """Write an embedding file; it appears under its name when it is complete.

    Args:
        path: ``.safetensors`` keeps everything, ``.npy`` the embeddings alone.
        table: what to write; the embeddings keep their dtype, float16 or float32.
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise unknown_choice("embedding file format", path.suffix or path.name, WRITERS)
    _check_table(table, "class embeddings to write")
    with unfinished_path(path) as unfinished:
        WRITERS[path.suffix](unfinished, table)


def _check_table(table: EmbeddingTable, where: str) -> None:
    shape = tuple(table.embeddings.shape)
    if len(shape) != 2 or not table.embeddings.is_floating_point():
        raise InputError(
            f"{where}: array of shape {shape} and type {table.embeddings.dtype}; expected "
            "(classes, width) of float16 or float32"
        )
    if table.names is not None and len(table.names) != shape[0]:
        raise InputError(f"{where}: {len(table.names)} names for {shape[0]} embeddings")
    if not table.embeddings.isfinite().all():
        raise InputError(f"{where}: some values are not finite; make the embeddings again")


def _read_npy(path: Path) -> EmbeddingTable:
    array = np.load(path, allow_pickle=False)
    if np.iscomplexobj(array):
        raise ValueError(f"its numbers are of type {array.dtype}")
    return EmbeddingTable(torch.from_numpy(array.astype(np.float32)))


def _write_npy(path: Path, table: EmbeddingTable) -> None:
    np.save(path, table.embeddings.detach().cpu().numpy(), allow_pickle=False)


def _read_safetensors(path: Path) -> EmbeddingTable:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, expected {FORMAT!r}")
        origin = json.loads(metadata["origin"])
        embeddings = file.get_tensor(TENSOR).float()
    return EmbeddingTable(
        embeddings=embeddings,
        names=None if origin["names"] is None else tuple(origin["names"]),
        model=origin["model"],
        templates=tuple(origin["templates"]),
        fingerprint=origin["fingerprint"],
    )


def _write_safetensors(path: Path, table: EmbeddingTable) -> None:
    from safetensors.torch import save

    origin = {
        "names": table.names,
        "model": table.model,
        "templates": table.templates,
        "fingerprint": table.fingerprint,
    }
    tensors = {TENSOR: table.embeddings.detach().cpu().contiguous()}
    # save_file would make a file that other users of a shared folder cannot read.
    path.write_bytes(save(tensors, {"format": FORMAT, "origin": json.dumps(origin)}))


READERS: dict[str, Callable[[Path], EmbeddingTable]] = {
    ".npy": _read_npy,
    ".safetensors": _read_safetensors,
}
WRITERS: dict[str, Callable[[Path, EmbeddingTable], None]] = {
    ".npy": _write_npy,
    ".safetensors": _write_safetensors,
}
