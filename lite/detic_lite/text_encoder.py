"""The text encoder that `detic export --text-encoder` writes beside a detector.

Shapes: N texts, L tokens of the longest text, D embedding width.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detic_lite.errors import InputError, first_line
from detic_lite.metadata import ModelMetadata
from detic_lite.runtimes import open_graph
from detic_lite.tokenizer import Tokenizer

FORMAT = "text encoder 1"
_TEXTS_AT_ONCE = 256


class TextEncoder:
    """Class names to embeddings.

    Args:
        model: path of the detector. The text encoder is in ``m.text.onnx`` beside ``m.onnx`` or
            ``m.xml``, its tokens in ``m.text.json``.
        metadata: of the detector.
        num_threads: as ``open_graph`` takes it.

    Raises:
        InputError: there is none, it is damaged, or it is another than the detector's.
    """

    def __init__(self, model: Path, metadata: ModelMetadata, num_threads: int | None = None):
        graph, tokens = (model.with_suffix(f".text{suffix}") for suffix in (".onnx", ".json"))
        if not (graph.is_file() and tokens.is_file()):
            raise InputError(
                f"class names need the text encoder {graph} and its tokens {tokens.name}; write them "
                "with `detic export --text-encoder`, or hand over a .safetensors file of embeddings"
            )
        self.prompt = metadata.prompt
        self.tokenizer = _read_tokenizer(tokens, metadata)
        self.graph = open_graph(graph, num_threads)

    def __call__(self, names: Sequence[str]) -> np.ndarray:
        """Return the embeddings of class names (N, D) float32, each in the detector's prompt."""
        return self.embed([self.prompt.replace("{}", name) for name in names])

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts (N, D) float32, as they are."""
        tokens = list(map(self.tokenizer, texts))
        starts = range(0, len(tokens), _TEXTS_AT_ONCE)
        return np.concatenate([self._embed(tokens[i : i + _TEXTS_AT_ONCE]) for i in starts])

    def _embed(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        padded = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)  # (N, L)
        for row, of_text in zip(padded, tokens, strict=True):
            row[: len(of_text)] = of_text
        return self.graph.run({"tokens": padded})["embeddings"]


def _read_tokenizer(path: Path, metadata: ModelMetadata) -> Tokenizer:
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, expected {FORMAT!r}")
        fingerprint = found["fingerprint"]
        tokenizer = Tokenizer(found["byte_ids"], found["merges"], found["context_length"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); export it again") from error
    if metadata.text_encoder_fingerprint not in (None, fingerprint):
        raise InputError(
            f"the text encoder of {path} is another than the detector's, {metadata.text_encoder}; "
            "export both again"
        )
    return tokenizer
