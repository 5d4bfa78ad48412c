"""A text encoder as a file, so that class names can be embedded without torch.

Shapes: N texts, L tokens of the longest text, D embedding width.
"""

import json
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn.attention import SDPBackend, sdpa_kernel

from detic.errors import InputError
from detic.export.formats import find_format, save_onnx
from detic.files import check_place, refuse_existing, unfinished_path, write_text
from detic.vocabulary.text_encoder import (
    NUM_BYTE_TOKENS,
    CLIPTextEncoder,
    clip_tokenizer,
    load_text_encoder,
)
from detic.vocabulary.text_weights import weights_fingerprint

FORMAT = "text encoder 1"
MAX_DIFFERENCE = 1e-5  # of a feature, as a share of the longest
_SENTENCES = ("a red star", "a photo of a very small dog", "")


class TextGraph(nn.Module):
    """The encoder as a function of tokens."""

    def __init__(self, encoder: CLIPTextEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Return ``embeddings`` (N, D), not normalised, of tokens (N, L) int64."""
        return {"embeddings": self.encoder.encode_tokens(tokens)}


def text_encoder_paths(model: Path) -> tuple[Path, Path]:
    """Return where the text encoder of an exported detector is, and its tokens."""
    return model.with_suffix(".text.onnx"), model.with_suffix(".text.json")


def check_text_encoder_export(model: Path, overwrite: bool) -> None:
    """Refuse to write the text encoder beside a model where it may not be, or packages are missing.

    Raises:
        InputError: as said.
    """
    find_format("onnx")
    for path in text_encoder_paths(model):
        check_place(path)
        refuse_existing(path, overwrite)


def export_text_encoder(source: str | os.PathLike, model: Path) -> None:
    """Write the text encoder of a detector beside it; the files appear when they are verified.

    Args:
        source: as ``load_text_encoder`` takes it.
        model: path of the detector.

    Raises:
        InputError: it is none of OpenAI's kind, or the file makes other embeddings.
    """
    encoder = load_text_encoder(source)
    if not isinstance(encoder, CLIPTextEncoder):
        raise InputError(
            f"the text encoder {source} has a tokenizer of its own and cannot be exported; embed class "
            "names with `detic vocabulary embed` and hand over the .safetensors file"
        )
    graph, tokens = text_encoder_paths(model)
    with unfinished_path(graph) as unfinished:
        save_onnx(_trace(encoder), unfinished)
        _verify(encoder, unfinished)
        write_text(tokens, json.dumps(describe_tokens(encoder), separators=(",", ":")) + "\n")


def describe_tokens(encoder: CLIPTextEncoder) -> dict:
    """Return all that a tokenizer needs to know.

    ``byte_ids`` are the tokens of the 256 bytes inside a word, at whose end they are 256 larger.
    ``merges`` are pairs of tokens; the token of the n-th is 512 + n. The start and the end token are
    the two behind the last.
    """
    tokenizer = clip_tokenizer(encoder.vocab_size)
    ids = tokenizer.encoder
    merges = [
        [ids[left], ids[right]]
        for left, right in sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    ]
    byte_ids = [ids[tokenizer.byte_encoder[byte]] for byte in range(256)]
    assert tokenizer.sot_token_id == NUM_BYTE_TOKENS + len(merges)
    return {
        "format": FORMAT,
        "fingerprint": weights_fingerprint(encoder.state_dict()),
        "context_length": encoder.context_length,
        "byte_ids": byte_ids,
        "merges": merges,
    }


def _trace(encoder: CLIPTextEncoder) -> torch.export.ExportedProgram:
    texts = Dim("texts", min=1, max=2**16)
    length = Dim("tokens", min=2, max=encoder.context_length)
    example = torch.zeros(3, min(7, encoder.context_length), dtype=torch.int64)
    # The shortcut of torch's transformers has no counterpart in ONNX.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            return torch.export.export(
                TextGraph(encoder),
                (example,),
                dynamic_shapes={"tokens": {0: texts, 1: length}},
                strict=False,
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
