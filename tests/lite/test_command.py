"""The program, in a process that has no torch."""

import json

import numpy as np
import pytest

from detic_lite import command
from tests.lite.without_torch import run_without_torch


def test_it_needs_neither_torch_nor_detic(tmp_path):
    done = run_without_torch(
        "m.onnx", "--input", "a.jpg", "--custom-vocabulary", "cat", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no file m.onnx\n"


@pytest.fixture
def run(detector_of, monkeypatch, tmp_path):
    """A function that runs the program in a folder with an image, with a graph that finds a cat."""
    from PIL import Image

    cat = {
        "boxes": np.array([[0, 0, 10, 20]], np.float32),
        "scores": np.array([0.75], np.float32),
        "classes": np.array([0]),
        "region_embeddings": np.ones((1, 3), np.float32),
    }
    detector = detector_of(lambda inputs: cat)
    monkeypatch.setattr(command, "LiteDetector", lambda *args, **kwargs: detector)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40)).save("a.png")

    def call(*flags):
        arguments = ["detic-lite", "m.onnx", "--custom-vocabulary", "cat", *flags]
        monkeypatch.setattr("sys.argv", arguments)
        command.main()

    return call


def test_results_are_a_json_document(run, capsys):
    run("--input", "a.png", "a.png")
    first, second = json.loads(capsys.readouterr().out)
    assert (first["image_id"], second["image_id"]) == (1, 2)
    assert first["detections"] == [
        {"name": "cat", "label": 0, "score": 0.75, "box_xyxy": [0, 0, 20, 40]}
    ]


def test_files_are_kept_unless_told(run, tmp_path, capsys):
    (tmp_path / "found.json").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        run("--input", "a.png", "--json", "found.json")
    assert ended.value.code == 2
    assert "--overwrite" in capsys.readouterr().err
    run("--input", "a.png", "--json", "found.json", "--overwrite")
    assert len(json.loads((tmp_path / "found.json").read_text())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "found.json"]


def test_images_that_cannot_be_read_end_in_a_message(run, capsys):
    with pytest.raises(SystemExit):
        run("--input", "b.png")
    assert capsys.readouterr().err == "error: there is no image b.png\n"
