"""The command line tool that scores detections from a file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.detic.evaluation.conftest import detection

TOOL = Path(__file__).parents[3] / "tools" / "evaluate_predictions.py"
HERE = (10, 10, 20, 20)


def run_tool(*arguments):
    command = [sys.executable, TOOL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_tool_scores_a_file_and_writes_results(lvis_file, write, tmp_path):
    annotations = lvis_file([(1, 1, HERE)])
    predictions = write("predictions.json", [detection(1, 1, HERE, 0.9)])
    output = tmp_path / "scores"
    done = run_tool(
        *("--predictions", predictions, "--annotations", annotations),
        *("--fixed-ap", "--output", output),
    )
    assert done.returncode == 0, done.stderr
    assert "APr" in done.stdout  # as LVIS: the categories have frequencies
    assert "100.00" in done.stdout
    results = json.loads((output / "results.json").read_text())
    assert list(results["lvis"]) == ["bbox", "bbox_fixed"]
    assert {path.name for path in output.iterdir()} == {
        "results.json",
        "per_class.csv",
        "report.html",
    }


@pytest.mark.parametrize(
    ("predictions", "message"),
    [([{"image_id": 1}], "'category_id' is missing"), ([detection(9, 1, HERE, 1)], "on image 9")],
)
def test_tool_ends_in_one_line_for_malformed_input(lvis_file, write, predictions, message):
    path = write("predictions.json", predictions)
    done = run_tool("--predictions", path, "--annotations", lvis_file([(1, 1, HERE)]))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize("place", ["taken", "taken/scores"])
def test_output_must_not_be_a_file(lvis_file, write, tmp_path, place):
    (tmp_path / "taken").touch()
    path = write("predictions.json", [detection(1, 1, HERE, 0.9)])
    arguments = ("--predictions", path, "--annotations", lvis_file([(1, 1, HERE)]))
    done = run_tool(*arguments, "--output", tmp_path / place)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "taken is a file; name a folder" in done.stderr


def test_images_of_a_registered_dataset_are_its_own(write):
    path = write("predictions.json", [detection(1, 1, HERE, 0.9)])
    done = run_tool("--predictions", path, "--dataset", "lvis_v1_val", "--images", "images")
    assert done.returncode == 2
    assert "--images goes with --annotations; dataset 'lvis_v1_val' knows" in done.stderr
