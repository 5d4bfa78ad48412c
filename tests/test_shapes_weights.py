"""The weights of the embedded benchmark, as users meet them first."""

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detic.images import read_image
from detic.predictor import detector
from detic.shapes.preparation import embed_classes
from detic.shapes.runs import SHIPPED, TEXT_WEIGHTS
from detic.shapes.world import generate_world

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_repository_stays_small():
    sizes = [path.stat().st_size for path in SHIPPED.iterdir()]
    assert sum(sizes) < 12e6


def test_demo_finds_what_is_typed_even_misspelt(tmp_path):
    found = tmp_path / "found.json"
    run(
        *("demo.py", "--config-file", "configs/shapes/Detic.yaml"),
        *("--input", "docs/pictures/scene.png", "--output", tmp_path / "out.png", "--json", found),
        *("--vocabulary", "custom", "--custom_vocabulary", "green gear,yelow mug"),
        *("--opts", "MODEL.WEIGHTS", "models/shapes/detic.pth"),
        DETIC_CACHE=str(tmp_path),
    )
    (image,) = json.loads(found.read_text())
    boxes = {d["name"]: d["box_xyxy"] for d in image["detections"]}
    assert boxes.keys() == {"green gear", "yelow mug"}
    # Where they were drawn, in pixels.
    assert boxes["green gear"] == pytest.approx([30, 16, 70, 58], abs=4)
    assert boxes["yelow mug"] == pytest.approx([34, 79, 68, 106], abs=6)
    assert (tmp_path / "out.png").stat().st_size > 0


@pytest.mark.slow
def test_evaluation_prints_the_ap_of_novel_classes(tmp_path):
    sizes = {"train_images": 150, "val_images": 40, "labels_per_class": 1}
    generate_world(tmp_path, 0, **sizes, progress=False)
    embed_classes(tmp_path, TEXT_WEIGHTS)
    shown = run(
        *("train_net.py", "--config-file", "configs/shapes/Detic.yaml", "--num-gpus", "0"),
        *("--eval-only", "MODEL.WEIGHTS", "models/shapes/detic.pth"),
        *("OUTPUT_DIR", tmp_path / "out"),
        DETECTRON2_DATASETS=str(tmp_path),
    )
    assert "APr" in shown
    written = json.loads((tmp_path / "out/inference_shapes_val/results.json").read_text())
    assert written["shapes_val"]["segm"]["APr"] > 0


def test_documented_examples(monkeypatch):
    monkeypatch.chdir(ROOT)
    results = doctest.testmod(detector)
    assert results.attempted > 0
    assert results.failed == 0


def test_a_wider_neighbour_changes_nothing():
    names = ["green gear", "yellow mug", "blue boat", "red star", "purple umbrella", "yellow key"]
    shapes = detector.Detector.from_pretrained("shapes-detic", names, device="cpu")
    scene = read_image(ROOT / "docs/pictures/scene.png", "BGR")
    alone = shapes(scene)
    beside, _ = shapes([scene, np.hstack([scene, scene])])
    assert len(alone) == 6
    assert beside.names.tolist() == alone.names.tolist()
    np.testing.assert_allclose(beside.scores, alone.scores, atol=1e-5)
    np.testing.assert_allclose(beside.boxes_xyxy, alone.boxes_xyxy, atol=1e-3)


def test_documented_vocabulary_file():
    page = (ROOT / "docs/vocabularies.md").read_text()
    assert (ROOT / "docs/things.yaml").read_text() in page
    names = detector.Detector.from_pretrained(
        "shapes-detic", ROOT / "docs/things.yaml", device="cpu", score_threshold=0.4
    )(ROOT / "docs/pictures/scene.png").names
    assert sorted(names.tolist()) == ["green cogwheel", "red star", "yellow cup"]


def test_python_of_the_readme_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", Path("README.md").read_text(), re.M | re.S)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "green gear" in capsys.readouterr().out
