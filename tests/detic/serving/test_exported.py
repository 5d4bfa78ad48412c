"""Exported detectors in the service: around functions, and around a real file."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from detic import Detector, compact_masks
from detic.errors import InputError
from detic.export.metadata import ExportMetadata
from detic.paths import resource
from detic.serving import exported, run
from detic.serving.exported import ExportedDetector
from detic.serving.limits import Limits
from detic.serving.served_detector import LocalDetector
from detic.serving.service import ServiceOptions
from detic.serving.uploads import parse_upload
from detic.vocabulary import Vocabulary
from detic.vocabulary.vocabulary import ClassEntry, ClassExample
from detic_commands.serve import argument_parser
from detic_lite.runtimes import Graph

IMAGE = np.zeros((20, 40, 3), np.uint8)
METADATA = {
    "detic_version": "1",
    "recipe": "Detic",
    "weights_sha256": "",
    "text_encoder": "clip_text.safetensors",
    "text_encoder_fingerprint": None,
    "prompt": "a {}",
    "embedding_dim": 4,
    "channel_order": "RGB",
    "short_side_px": 10,
    "max_side_px": 100,
    "min_side_px": 1,
    "size_divisibility": 32,
    "fixed_size_hw": None,
    "fill_rgb": (0, 0, 0),
    "pixel_mean": (0.0, 0.0, 0.0),
    "pixel_std": (1.0, 1.0, 1.0),
    "default_threshold": 0.5,
    "detections_per_image": 100,
    "one_class_per_box": True,
    "has_masks": True,
    "precision": "fp32",
    "verified": "",
}


class FoundGraph:
    """A graph that finds an object of each class, and keeps what it was called with."""

    def __init__(self):
        self.inputs = []

    def __call__(self, inputs):
        self.inputs.append(inputs)
        count = len(inputs["class_embeddings"])
        return {
            "boxes": np.tile(np.float32([1, 2, 5, 6]), (count, 1)),
            "scores": np.full(count, 0.75, np.float32),
            "classes": np.arange(count),
            "region_embeddings": np.zeros((count, 4), np.float32),
            "masks": np.ones((count, 28, 28), np.float32),
        }


class LengthEncoder:
    """A text encoder whose vectors hold the number of letters."""

    def __call__(self, texts):
        return np.array([[len(text), 0, 0, 1] for text in texts], np.float32)


@pytest.fixture
def detector_of(tmp_path, monkeypatch):
    """A function that returns an exported detector whose graph is a function."""

    def build(graph=None, **changes):
        text = ExportMetadata(**METADATA | changes).to_json()
        monkeypatch.setattr(exported, "open_graph", lambda *args: Graph(text, graph))
        monkeypatch.setattr(exported, "TextEncoder", lambda *args: LengthEncoder())
        path = tmp_path / "m.onnx"
        path.write_bytes(b"graph")
        return ExportedDetector(path, ["mug"], 0.5)

    return build


def test_classes_keep_their_thresholds_and_parents(detector_of):
    graph = FoundGraph()
    detector = detector_of(graph)
    classes = Vocabulary(
        (
            ClassEntry("mug", score_threshold=0.25, parent="thing"),
            ClassEntry("thing"),
            ClassEntry("table", negative=True),
        )
    )
    prepared = detector.prepare(classes)
    (found,) = detector.detect([IMAGE], prepared, threshold=0.5, masks=True)
    assert graph.inputs[0]["thresholds"].tolist() == [0.25, 0.5, 2.0]
    assert graph.inputs[0]["image"].shape == (10, 20, 3)
    assert found.shown_names == ["thing (mug)", "thing", "table"]
    assert found.boxes_xyxy[0].tolist() == [2, 4, 10, 12]
    assert found.masks[0].sum() == 64
    (found,) = detector.detect([IMAGE], prepared, threshold=0.5, masks=False)
    assert found.masks is None


def test_masks_of_large_images_are_compact(detector_of, monkeypatch):
    detector = detector_of(FoundGraph())
    prepared = detector.prepare(Vocabulary.from_names(["mug", "cup"]))
    (expected,) = detector.detect([IMAGE], prepared, threshold=0.5, masks=True)
    monkeypatch.setattr(compact_masks, "MAX_ARRAY_BYTES", expected.masks[0].nbytes)
    (found,) = detector.detect([IMAGE], prepared, threshold=0.5, masks=True)
    assert isinstance(found.masks, compact_masks.CompactMasks)
    np.testing.assert_array_equal(np.asarray(found.masks), expected.masks)


def test_names_are_embedded_as_the_detector_would(detector_of):
    entries = (
        ClassEntry("mug"),  # "a mug"
        ClassEntry("mug", synonyms=("cup2",)),  # the mean of "a mug" and "a cup2", of unit length
        ClassEntry("mug", prompts=("my {}!",)),
    )
    embeddings = detector_of().prepare(Vocabulary(entries)).embeddings
    assert embeddings[0].tolist() == [5, 0, 0, 1]
    five, six = (np.array([n, 0, 0, 1]) / np.hypot(n, 1) for n in (5, 6))
    np.testing.assert_allclose(embeddings[1], (five + six) / 2, rtol=1e-6)
    assert embeddings[2].tolist() == [7, 0, 0, 1]


def test_what_a_file_cannot_do_is_told(detector_of):
    example = ClassEntry("mug", examples=(ClassExample("a.png"),))
    with pytest.raises(InputError, match="which is not fitted to examples"):
        detector_of().prepare(Vocabulary((example,)))
    with pytest.raises(InputError, match="export it without --all-classes"):
        detector_of(one_class_per_box=False).prepare(
            Vocabulary((ClassEntry("mug", negative=True),))
        )


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        ExportedDetector(tmp_path / "none.onnx", ["mug"], 0.5)


def test_the_version_changes_with_the_file(detector_of, tmp_path):
    before = detector_of().version
    assert detector_of().version == before
    (tmp_path / "m.xml").write_bytes(b"graph")
    (tmp_path / "m.bin").write_bytes(b"weights")
    assert exported._version(tmp_path / "m.xml") != before == exported._version(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--half"], "--half"),
        (["--precision", "bf16", "--compile"], "--precision, --compile"),
        (["--device", "cuda"], "--device"),
        (["--opts", "MODEL.WEIGHTS", "x"], "--opts"),
    ],
)
def test_flags_change_no_exported_file(flags, named):
    args = argument_parser().parse_args(["--model", "m.onnx", *flags])
    with pytest.raises(InputError, match=f"^{named}: m.onnx was exported as it is"):
        run.served(args, ServiceOptions())


VOCABULARY = """[
    {"name": "red star", "synonyms": ["crimson star"]},
    {"name": "blue boat", "negative": true},
    {"name": "yellow mug", "score_threshold": 0.9, "parent": "mug"},
    "mug",
    {"name": "gear", "prompts": ["a green {}", "a photo of a green gear"]}
]"""


@pytest.mark.slow
def test_a_file_finds_what_its_detector_finds(tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package}, of detic[export]")
    from detic.export.command import run_export
    from detic_commands.export import argument_parser as export_parser

    path = tmp_path / "m.onnx"
    words = ["--model", "shapes-detic", "--output", str(path), "--text-encoder"]
    run_export(export_parser().parse_args(words))
    args = argument_parser().parse_args(["--model", str(path), "--custom-vocabulary", "red star"])
    served, options = run.served(args, ServiceOptions())
    assert options.max_batch == 1
    detector = Detector.from_pretrained("shapes-detic", ["red star"], device="cpu")
    local = LocalDetector(detector, "shapes")
    image = cv2.imread(str(resource("docs/pictures/scene.png")))
    classes = parse_upload(VOCABULARY, "body.json", Limits()).classes
    found, expected = (
        one.detect([image], one.prepare(classes), threshold=0.02, masks=True)[0]
        for one in (served, local)
    )
    assert len(expected) >= 4
    assert found.shown_names == expected.shown_names
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=0.02)
    np.testing.assert_array_equal(found.masks, expected.masks)
