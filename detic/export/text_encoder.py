"""A text encoder as a file, so that class names can be embedded without torch.

Shapes: N texts, L tokens of the longest text, D embedding width.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from detic.errors import InputError
from detic.export.formats import format_to_write, to_onnx
from detic.export.program import sizes_of_one_allowed
from detic.files import check_place, refuse_existing, unfinished_path, write_json
from detic.vocabulary.text_encoder import CLIPTextEncoder, clip_tokenizer, load_text_encoder
from detic.vocabulary.text_weights import weights_fingerprint

FORMAT = "text encoder 1"
_MAX_TEXTS = 2**16
_MAX_DIFFERENCE = 1e-5  # of a feature, as a share of the longest of the embeddings
_SENTENCES = ("a red star", "a photo of a very small dog", "")


class TextGraph(nn.Module):
    """The encoder as a function of tokens."""

    def __init__(self, encoder: CLIPTextEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Return ``embeddings`` (N, D), not normalised, of tokens (N, L) int64, padded with zeros."""
        # One more: torch makes graphs of transformers for several texts alone.
        several = torch.cat([tokens, tokens[:1]])
        return {"embeddings": self.encoder.encode_tokens(several)[:-1]}


def text_encoder_paths(model: Path) -> tuple[Path, Path]:
    """Return where the text encoder of an exported detector is, and its tokens."""
    return model.with_suffix(".text.onnx"), model.with_suffix(".text.json")


def check_text_encoder_export(model: Path, overwrite: bool) -> None:
    """Check that the text encoder of a detector can be written beside it.

    Raises:
        InputError: it cannot, or files may not be replaced, or a package is missing.
    """
    format_to_write("onnx")
    for path in text_encoder_paths(model):
        check_place(path)
        refuse_existing(path, overwrite)


def export_text_encoder(source: str | os.PathLike, model: Path) -> None:
    """Write the text encoder of a detector beside it; the files appear when they are verified.

    Args:
        source: as ``load_text_encoder`` takes it.
        model: path of the detector.

    Raises:
        InputError: it has a tokenizer of its own, or the file makes other embeddings.
    """
    encoder = load_text_encoder(source)
    if not isinstance(encoder, CLIPTextEncoder):
        raise InputError(
            f"the text encoder {source} has a tokenizer of its own and cannot be exported; export "
            "without --text-encoder, and embed class names with `detic vocabulary embed`"
        )
    graph, tokens = text_encoder_paths(model)
    with unfinished_path(graph) as unfinished:
        _as_onnx(encoder).save(unfinished, external_data=False)
        _verify(encoder, unfinished)
        write_json(tokens, describe_tokens(encoder))


def describe_tokens(encoder: CLIPTextEncoder) -> dict:
    """Return all that a tokenizer needs to know.

    ``byte_ids`` are the tokens of the 256 bytes inside a word, at whose end they are 256 larger.
    ``merges`` are pairs of tokens; the token of the n-th is 512 + n. The start and the end token
    follow.
    """
    tokenizer = clip_tokenizer(encoder.vocab_size)
    ids = tokenizer.encoder
    pairs = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    return {
        "format": FORMAT,
        "fingerprint": weights_fingerprint(encoder.state_dict()),
        "context_length": encoder.context_length,
        "byte_ids": [ids[tokenizer.byte_encoder[byte]] for byte in range(256)],
        "merges": [[ids[left], ids[right]] for left, right in pairs],
    }


def _as_onnx(encoder: CLIPTextEncoder) -> Any:
    from onnx_ir import Shape

    length = encoder.context_length
    sizes = {0: Dim("texts", min=1, max=_MAX_TEXTS), 1: Dim("tokens", min=2, max=length)}
    example = torch.zeros(3, length // 2, dtype=torch.int64)
    with torch.no_grad(), sizes_of_one_allowed():
        program = torch.export.export(
            TextGraph(encoder), (example,), dynamic_shapes={"tokens": sizes}, strict=False
        )
    converted = to_onnx(program, ["tokens"])
    graph = converted.model.graph
    graph.inputs[0].shape = Shape(["texts", "tokens"])
    graph.outputs[0].shape = Shape(["texts", graph.outputs[0].shape[1]])
    return converted


def _verify(encoder: CLIPTextEncoder, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    tokens = encoder.tokenize(list(_SENTENCES))
    (found,) = session.run(None, {"tokens": tokens.numpy()})
    with torch.no_grad():
        expected = encoder.encode_tokens(tokens).numpy()
    difference = np.abs(found - expected).max() / np.linalg.norm(expected, axis=1).max()
    if not difference <= _MAX_DIFFERENCE:
        raise InputError(
            f"the exported text encoder makes other embeddings (by {difference:.1e}); nothing was "
            "written; other versions of torch, onnxscript and onnxruntime may do better"
        )
