"""What a file says about itself, and detectors whose graph is a function."""

from dataclasses import replace

import numpy as np
import pytest

from detic_lite import LiteDetector, detector
from detic_lite.embedding_file import NamedEmbeddings
from detic_lite.metadata import ModelMetadata
from detic_lite.runtimes import Graph


@pytest.fixture
def metadata():
    return ModelMetadata(
        text_encoder="clip_text.safetensors",
        text_encoder_fingerprint="ab12",
        prompt="a {}",
        embedding_dim=3,
        channel_order="RGB",
        short_side_px=20,
        max_side_px=50,
        min_side_px=1,
        fixed_size_hw=None,
        fill_rgb=(1, 2, 3),
        default_threshold=0.5,
    )


@pytest.fixture
def detector_of(metadata, monkeypatch):
    """A function that returns a detector of cats and dogs whose graph is a function."""
    classes = NamedEmbeddings(("cat", "dog"), np.eye(2, 3, dtype=np.float32))

    def build(run, *, score_threshold=None, **changes):
        about = replace(metadata, **changes)
        monkeypatch.setattr(detector, "open_graph", lambda *args: Graph("{}", run))
        monkeypatch.setattr(detector, "parse_metadata", lambda *args: about)
        monkeypatch.setattr(detector, "read_embeddings", lambda *args: classes)
        return LiteDetector("m.onnx", "c.safetensors", score_threshold=score_threshold)

    return build
