"""The weights of the embedded benchmark, as users meet them first."""

import doctest
import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from detic import Detector
from detic.images import read_image
from detic.predictor import detector
from detic.shapes.preparation import embed_classes
from detic.shapes.runs import SHIPPED, TEXT_WEIGHTS
from detic.shapes.world import generate_world
from detic.videos import video_writer

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


NAMES = ["green gear", "yellow mug", "red star", "blue boat", "purple umbrella", "yellow key"]


@pytest.fixture(scope="module")
def scene_detector(tmp_path_factory):
    """A detector of what is in the scene of the documents, each object above its threshold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETIC_CACHE", str(tmp_path_factory.mktemp("cache")))
        options = {"device": "cpu", "score_threshold": 0.3, "masks": False}
        yield Detector.from_pretrained("shapes-detic", NAMES, **options)


@pytest.fixture
def scene():
    return cv2.imread(str(ROOT / "docs" / "pictures" / "scene.png"))


def test_tiles_find_each_object_of_a_mosaic_once(scene_detector, scene):
    """The images of the mosaic begin anywhere in tiles; those that it cuts are not counted."""
    alone = scene_detector(scene)
    assert sorted(alone.names) == sorted(NAMES)
    left, top, side = 37, 21, 3 * 128
    mosaic = np.tile(scene, (4, 4, 1))[top : top + side, left : left + side]
    found = scene_detector(mosaic, tiles=True)
    num_whole = num_found = 0
    for x, y in product(range(4), repeat=2):
        boxes = alone.boxes_xyxy + np.float32([128 * x - left, 128 * y - top] * 2)
        for name, box in zip(alone.names, boxes, strict=True):
            is_whole = (box >= 0).all() and (box <= side).all()
            overlaps = box_iou(box, found.boxes_xyxy[found.names == name])
            assert (overlaps > 0.5).sum() <= 1
            num_whole += is_whole
            num_found += is_whole and bool((overlaps > 0.5).any())
    assert num_whole > 40
    assert num_found >= 0.98 * num_whole
    assert len(scene_detector(mosaic)) < num_whole / 2  # without tiles they are too small


def box_iou(box, boxes):
    """Return the overlap (N,) of a box with others."""
    shared = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = shared.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return shared / (areas - shared)


def test_objects_of_a_moving_scene_keep_their_ids(scene_detector, scene, tmp_path):
    pytest.importorskip("trackers", reason="trackers is not installed")
    with video_writer(tmp_path / "pan.mp4", fps=10) as write:
        for number in range(8):
            write(np.roll(scene, -2 * number, axis=1), number / 10, number / 10 + 0.1)
    results = list(scene_detector.video(tmp_path / "pan.mp4", track=True))
    ids = [dict(zip(found.names, found.track_ids, strict=True)) for _, _, found in results]
    for name in ("green gear", "red star"):
        (track_id,) = {int(of_frame[name]) for of_frame in ids[1:]}
        assert track_id > 0
