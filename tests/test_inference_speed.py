"""The measurement of detection's speed, with a tiny model."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "inference_speed.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("inference_speed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["inference_speed"] = module
    spec.loader.exec_module(module)
    return module


def test_rows_are_measured_by_processes_of_their_own(script, monkeypatch, capsys):
    options = ["--quick", "--rounds", "1", "--ways", "fp32", "--rows", "17 detections"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
    script.main()
    *_, heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:5] == ["CPU", "s", "wall", "s", "MiB"]
    assert line.startswith("17 detections")
    assert line.endswith("equal, 17 detections")


def detections(path, boxes, scores, labels):
    masks = np.zeros((len(scores), 2, 2), bool)
    arrays = {"boxes_xyxy": np.array(boxes, np.float32), "labels": np.array(labels)}
    np.savez(path, scores=np.array(scores), masks=masks, **arrays)
    return path


def test_agreement_counts_objects_of_the_same_class_and_place(script, tmp_path):
    box, other = [0, 0, 100, 100], [200, 0, 300, 100]
    exact = detections(tmp_path / "a.npz", [box, other], [0.75, 0.5], [1, 2])
    near = detections(tmp_path / "b.npz", [[0, 0, 100, 99], other], [0.5, 0.5], [1, 3])
    assert script.agreement(exact, exact) == "equal"
    assert script.agreement(near, exact) == "50.0 % matched, scores within 2.5e-01"
    nothing = detections(tmp_path / "c.npz", np.zeros((0, 4)), [], [])
    assert script.agreement(nothing, exact) == "0 % matched"
