"""train_net.py on data of one's own: boxes, images and replay that a recipe names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from detic.evaluation.forgetting import read_evaluation
from detic.shapes.own_data import write_own_data
from detic.shapes.world import generate_world

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = "roi_heads.box_predictor.0.cls_score.zs_weight"  # (D, classes and background)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """A datasets root with the old world of 96 classes and own data of 32 more, both tiny."""
    root = tmp_path_factory.mktemp("datasets")
    generate_world(root, 0, train_images=60, val_images=2, labels_per_class=1, progress=False)
    write_own_data(root, {"train_images": 40, "val_images": 2, "labels_per_class": 2})
    return root


@pytest.fixture(scope="module")
def run(datasets, tmp_path_factory):
    """A function that runs train_net.py on the CPU and returns what it prints."""
    cache = tmp_path_factory.mktemp("cache")

    def run(recipe, output, *options):
        command = [
            *(sys.executable, "train_net.py", "--config-file", f"configs/shapes/{recipe}.yaml"),
            *("--num-gpus", "0", "OUTPUT_DIR", str(output), "DATALOADER.NUM_WORKERS", "0"),
            *options,
        ]
        environment = os.environ | {
            "DETECTRON2_DATASETS": str(datasets),
            "DETIC_CACHE": str(cache),
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory):
    """The output and the log of four steps, on average one of each source."""
    output = tmp_path_factory.mktemp("output") / "trained"
    options = ("MODEL.WEIGHTS", "", "SOLVER.MAX_ITER", "4", "TEST.DETECTIONS_PER_IMAGE", "5")
    return output, run("OwnData", output, *options)


def test_boxes_images_and_replay_train_together(trained):
    output, log = trained
    for name in ("my_boxes", "my_images", "replay", "replay_images"):
        assert f"\n{name} " in log
    weights = torch.load(output / "model_final.pth", weights_only=True)["model"]
    assert weights[COLUMNS].shape == (64, 128 + 1)


def test_class_frequencies_are_those_of_both_sources_of_boxes(trained):
    output, log = trained
    counts = [c["image_count"] for c in json.loads((output / "class_frequencies.json").read_text())]
    assert sum(counts[:96]) > 0
    assert sum(counts[96:]) > 0
    assert "CAT_FREQ_PATH is empty: counted the images of each class in my_boxes, replay" in log


def test_old_and_new_test_sets_are_scored_with_the_joint_vocabulary(trained):
    scores = read_evaluation(trained[0], "bbox/AP")
    counts = {dataset: 0 for dataset, _ in scores}
    for dataset, _ in scores:
        counts[dataset] += 1
    assert counts == {"my_val": 32, "old_val": 96}


def test_a_detector_goes_on_with_more_classes_in_another_order(trained, datasets, run, tmp_path):
    names = (datasets / "own_shapes" / "vocabulary.txt").read_text().split("\n")[-2::-1]
    (tmp_path / "names.txt").write_text("\n".join([*names, "grey elephant"]))
    node = "MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH"
    options = (node, str(tmp_path / "names.txt"), "MODEL.ROI_HEADS.NUM_CLASSES", "129")
    weights = ("MODEL.WEIGHTS", str(trained[0] / "model_final.pth"))
    once = ("SOLVER.MAX_ITER", "1", "DATASETS.TEST", "()")
    log = run("OwnData-no-replay", tmp_path / "output", *options, *weights, *once)
    assert "the model's own 129 classes, not 128" in log
    before, after = (
        torch.load(output / "model_final.pth", weights_only=True)["model"][COLUMNS]
        for output in (trained[0], tmp_path / "output")
    )
    torch.testing.assert_close(after[:, :128], before[:, :128].flip(1))
