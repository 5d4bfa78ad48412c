"""Exported files find without torch what the detector finds with it.

They need the packages of `pip install 'detic[export]'`; `make test-extras` runs them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detic import Detector
from detic.outputs import ImageRecord
from detic.outputs.json_lines import as_json, image_entry
from detic.paths import resource
from detic_lite import InputError, LiteDetector
from tests.lite.conftest import NEEDED
from tests.lite.without_torch import run_without_torch

pytestmark = pytest.mark.slow

THRESHOLD = 0.02
NAMES = ["green gear", "yellow mug", "red star", "blue boat"]
SCENE = resource("docs/pictures/scene.png")


@pytest.fixture(scope="module", params=NEEDED)
def model(request, exported) -> Path:
    return exported(request.param)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.from_pretrained("shapes-detic", NAMES, device="cpu", score_threshold=THRESHOLD)


@pytest.fixture(scope="module")
def lite(model) -> LiteDetector:
    return LiteDetector(model, NAMES, score_threshold=THRESHOLD)


def test_names_have_the_embeddings_of_the_detector(lite, detector):
    names = ["red star", "it's", "a quite long name of a thing of many parts and words", "größe 12"]
    expected = detector.embed(names).embeddings.numpy()
    assert np.abs(lite.embed(names) - expected).max() < 1e-5
    assert np.abs(lite.embed(names[:1]) - expected[:1]).max() < 1e-5


@pytest.mark.parametrize("size_wh", [None, (333, 200), (47, 33), (20, 400)])
def test_all_objects_are_equal(lite, detector, size_wh, tmp_path):
    image = SCENE
    if size_wh is not None:
        from PIL import Image

        image = tmp_path / "a.png"
        Image.open(SCENE).convert("RGB").resize(size_wh).save(image)
    expected, found = detector(str(image), features=True), lite(image)
    assert len(found) == len(expected) > 0
    assert found.names.tolist() == expected.names.tolist()
    assert np.abs(found.scores - expected.scores).max(initial=0) < 1e-4
    assert np.abs(found.boxes_xyxy - expected.boxes_xyxy).max(initial=0) < 0.02
    assert np.abs(found.region_embeddings - expected.region_embeddings).max(initial=0) < 1e-4
    assert (found.masks != expected.masks).sum() <= 1e-5 * found.masks.size


def test_the_program_needs_no_torch_and_writes_what_the_detector_writes(model, detector, tmp_path):
    (tmp_path / "scene.png").symlink_to(SCENE)
    flags = ("--input", "scene.png", "--custom-vocabulary", ",".join(NAMES), "--json", "found.json")
    done = run_without_torch(model, *flags, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = detector(str(SCENE))
    expected = image_entry(ImageRecord("scene.png", 1, stem=""), found[found.scores > 0.5])
    written = (tmp_path / "found.json").read_text()
    (entry,) = json.loads(written)
    for own, theirs in zip(entry["detections"], expected["detections"], strict=True):
        assert own["score"] == pytest.approx(theirs["score"], abs=1e-4)
        assert own["box_xyxy"] == pytest.approx(theirs["box_xyxy"], abs=0.02)
        for key in ("score", "box_xyxy"):
            theirs[key] = own[key]
    assert written == f"[\n{as_json(expected)}\n]\n"  # but for those numbers, to the byte


def test_another_text_encoder_is_refused(model, tmp_path):
    from detic.vocabulary import EmbeddingTable, write_embeddings

    table = EmbeddingTable(torch.ones(1, 64), ("cat",), "other.pt", (), "0" * 16)
    write_embeddings(tmp_path / "c.safetensors", table)
    with pytest.raises(InputError, match="different text encoder"):
        LiteDetector(model, tmp_path / "c.safetensors")


def test_files_without_metadata_are_refused(model, tmp_path):
    with pytest.raises(InputError, match="does not say how its input is made"):
        LiteDetector(model.with_suffix(".text.onnx"), ["cat"])
