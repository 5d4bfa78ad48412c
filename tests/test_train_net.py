"""train_net.py as its users run it, on a small shapes world."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from detic.shapes.classes import draw_classes
from detic.shapes.nouns import BENCHMARK_NOUNS
from detic.shapes.preparation import EMBEDDINGS
from detic.shapes.world import generate_world
from detic.vocabulary.embedding_file import EmbeddingTable, write_embeddings

ROOT = Path(__file__).resolve().parents[1]
SEED = 0
QUICK = [
    *("MODEL.WEIGHTS", "", "DATALOADER.NUM_WORKERS", "0", "DATASETS.TEST", "()"),
    *("MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT", "10"),
]


def make_datasets(root, val_images=4):
    """Fill a datasets root with a small world of 96 classes and random class embeddings."""
    sizes = {"train_images": 60, "val_images": val_images, "labels_per_class": 1}
    generate_world(root, SEED, **sizes, progress=False)
    names = tuple(c.name for c in draw_classes(SEED, BENCHMARK_NOUNS))
    embeddings = torch.randn(len(names), 64, generator=torch.Generator().manual_seed(0))
    write_embeddings(root / EMBEDDINGS, EmbeddingTable(embeddings, names))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    make_datasets(root)
    return root


def start(datasets, recipe, output, *options, launcher=(), flags=("--num-gpus", "0")):
    command = [
        *(sys.executable, *launcher, "train_net.py"),
        *("--config-file", f"configs/shapes/{recipe}.yaml"),
        *(*flags, "OUTPUT_DIR", str(output), *QUICK, *options),
    ]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, which can be signalled
    )


def finish(process, status=0):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == status, text
    return text


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def final_state(output):
    return torch.load(output / "model_final.pth", weights_only=True)


def last_metrics(output):
    lines = (output / "metrics.json").read_text().splitlines()
    return {k: v for k, v in json.loads(lines[-1]).items() if "loss" in k}


def assert_equal_weights(a, b, **tolerance):
    for name, value in a["model"].items():
        torch.testing.assert_close(value, b["model"][name], **tolerance, msg=name)


def test_killed_training_resumes_to_the_same_numbers(datasets, tmp_path):
    options = ("SOLVER.MAX_ITER", "8", "SOLVER.CHECKPOINT_PERIOD", "3")
    whole = start(datasets, "Detic", tmp_path / "whole", *options)
    killed = start(datasets, "Detic", tmp_path / "killed", *options)
    wait_for(tmp_path / "killed" / "model_0000002.pth", killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    resumed = start(
        datasets, "Detic", tmp_path / "killed", *options, flags=("--num-gpus", "0", "--resume")
    )
    assert "resumed from" in finish(resumed)
    finish(whole)
    assert_equal_weights(
        final_state(tmp_path / "killed"), final_state(tmp_path / "whole"), rtol=0, atol=0
    )


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_and_exit_with_0(datasets, tmp_path, signum):
    process = start(
        *(datasets, "BoxSup", tmp_path, "SOLVER.MAX_ITER", "1000", "SOLVER.CHECKPOINT_PERIOD", "2"),
        *("DATALOADER.NUM_WORKERS", "1"),
    )
    wait_for(tmp_path / "model_0000001.pth", process)
    os.killpg(process.pid, signum)  # as a terminal or a scheduler does
    text = finish(process)
    assert "continue with --resume" in text
    assert "Traceback" not in text
    assert (tmp_path / "last_checkpoint").read_text() == "model_last.pth"


FOUR_STEPS = ("SOLVER.MAX_ITER", "4", "MODEL.DEVICE", "cpu")


@pytest.fixture(scope="module")
def accumulating(datasets, tmp_path_factory):
    """The folder of a training of one process that takes two batches for each step."""
    output = tmp_path_factory.mktemp("one")
    finish(start(datasets, "Detic", output, *FOUR_STEPS, "SOLVER.ACCUMULATE", "2"))
    return output


@pytest.mark.parametrize("torchrun", [False, True])
def test_two_processes_equal_one_that_accumulates(datasets, accumulating, tmp_path, torchrun):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    if torchrun:
        process = start(datasets, "Detic", tmp_path, *FOUR_STEPS, launcher=launcher, flags=())
    else:
        process = start(datasets, "Detic", tmp_path, *FOUR_STEPS, flags=("--num-gpus", "2"))
    finish(process)
    assert last_metrics(accumulating) == pytest.approx(last_metrics(tmp_path), abs=1e-4)
    assert_equal_weights(final_state(accumulating), final_state(tmp_path), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("SOLVER.MAX_ITR", "3"), "did you mean SOLVER.MAX_ITER?"),
        (("MODEL.WEIGHTS", "nowhere.pth"), "nowhere.pth"),
        (("MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_DIM", "512"), "64-wide class embeddings"),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(datasets, tmp_path, options, message):
    text = finish(start(datasets, "BoxSup", tmp_path, *options), status=2)
    assert "Traceback" not in text
    assert message in text.splitlines()[-1]


def test_help_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "train_net.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--eval-only" in done.stdout
    assert "torch" not in done.stderr
