"""What a file says about itself, and detectors whose graph is a function."""

from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from detic_lite import LiteDetector, detector
from detic_lite.embedding_file import NamedEmbeddings
from detic_lite.metadata import ModelMetadata
from detic_lite.runtimes import Graph

NEEDED = {"onnx": "onnxruntime", "openvino": "openvino"}  # to run an exported file


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
        one_class_per_box=True,
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


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A function that returns an exported detector of drawn shapes, with its text encoder."""

    @cache
    def export(name):
        for package in ("onnx", "onnxscript", "onnxruntime", NEEDED[name]):
            if find_spec(package) is None:
                pytest.skip(f"needs the package {package}, of detic[export]")
        from detic.export.command import run_export
        from detic_commands.export import argument_parser

        path = tmp_path_factory.mktemp(name) / f"m.{'onnx' if name == 'onnx' else 'xml'}"
        command = ["--model", "shapes-detic", "--format", name, "--output", str(path)]
        run_export(argument_parser().parse_args([*command, "--text-encoder"]))
        return path

    return export
