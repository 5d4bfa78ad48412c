"""detic train --data: from an export to a detector, in one command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from detic.shapes.own_data import write_own_data
from detic.shapes.world import generate_world

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """The output and the log of a course of one step in a tiny world."""
    datasets = tmp_path_factory.mktemp("datasets")
    generate_world(datasets, 0, train_images=20, val_images=2, labels_per_class=1, progress=False)
    write_own_data(datasets, {"train_images": 20, "val_images": 2, "labels_per_class": 1})
    own, output = datasets / "own_shapes", tmp_path_factory.mktemp("output") / "taught"
    command = [
        *(sys.executable, "-m", "detic", "train", "--data", own / "boxes.json", own / "images"),
        *("--model", "shapes-detic", "--num-gpus", "0", "--output", output),
        *("--replay", "shapes_train_base,shapes_labels"),
        *("SOLVER.MAX_ITER", "1", "TEST.DETECTIONS_PER_IMAGE", "5", "DATALOADER.NUM_WORKERS", "0"),
    ]
    environment = os.environ | {
        "DETECTRON2_DATASETS": str(datasets),
        "DETIC_CACHE": str(tmp_path_factory.mktemp("cache")),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    return output, log


def test_all_sources_train(taught):
    _, log = taught
    for name in ("my_boxes", "my_images", "replay_shapes_train_base", "replay_shapes_labels"):
        assert f"\n{name} " in log


def test_old_and_new_classes_are_compared(taught):
    output, log = taught
    report = (output / "forgetting.md").read_text()
    assert "old classes" in report
    assert "new classes with boxes" in report
    assert report.splitlines()[0] in log


def test_it_ends_with_the_commands_to_go_on(taught):
    output, log = taught
    end = log[log.index("to go on:") :]
    assert f"detic train --config-file {output}/recipe.yaml --num-gpus 0 --resume" in end
    assert "--vocabulary-file" in end


def test_tensorboard_shows_images_of_the_test_sets(taught):
    events = EventAccumulator(str(taught[0] / "training")).Reload()
    assert set(events.Tags()["images"]) > {"my_val/0", "old_shapes_val/0", "old_shapes_val/1"}
