"""The example in C++ finds the same objects; it needs g++ and OpenVINO, and `make test-extras` runs it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detic.paths import resource
from detic_lite import LiteDetector

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).resolve().parents[2] / "lite" / "cpp" / "detect.cpp"


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    openvino = pytest.importorskip("openvino", reason="needs OpenVINO")
    package = Path(openvino.__file__).parent
    (library,) = (package / "libs").glob("libopenvino.so.*")
    built = tmp_path_factory.mktemp("cpp") / "detect"
    flags = ("-std=c++17", "-Wall", "-Werror", "-isystem", package / "include")
    subprocess.run(
        ["g++", *flags, SOURCE, library, f"-Wl,-rpath,{package / 'libs'}", "-o", built], check=True
    )
    return built


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_objects_are_equal(program, exported, name, tmp_path):
    model = exported(name)
    lite = LiteDetector(model, ["red star", "yellow mug", "green gear"], score_threshold=0.5)
    scene = Image.open(resource("docs/pictures/scene.png")).convert("RGB")
    scene.save(tmp_path / "scene.ppm")
    lite.embed(lite.names).tofile(tmp_path / "classes.bin")
    done = subprocess.run(
        [program, model, "scene.ppm", "classes.bin"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = np.array([line.split() for line in done.stdout.splitlines()], dtype=np.float64)
    found = lite(scene)
    assert rows[:, 0].tolist() == found.labels.tolist() != []
    assert np.abs(rows[:, 1] - found.scores).max() < 2e-4
    assert np.abs(rows[:, 2:] - found.boxes_xyxy).max() < 0.02


@pytest.mark.parametrize("num_bytes", [0, 4 * 65])
def test_embeddings_of_another_width_are_refused(program, exported, tmp_path, num_bytes):
    Image.new("RGB", (160, 128)).save(tmp_path / "scene.ppm")
    (tmp_path / "classes.bin").write_bytes(bytes(num_bytes))
    done = subprocess.run(
        [program, exported("onnx"), "scene.ppm", "classes.bin"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "classes.bin does not hold rows of 64 numbers" in done.stderr


def test_other_models_are_refused(program, exported, tmp_path):
    encoder = exported("onnx").with_suffix(".text.onnx")
    done = subprocess.run(
        [program, encoder, "a.ppm", "c.bin"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "it is no file of `detic export`" in done.stderr
