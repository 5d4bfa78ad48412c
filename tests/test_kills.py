"""Programs that are killed again and again: the results of undisturbed ones, and nothing left over.

Kills come at random times (seeded), those of trainings in turn while a checkpoint is written.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import pytest

from tests.test_train_net import ROOT, assert_equal_weights, final_state, finish, make_datasets
from tests.test_train_net import start as start_training
from tests.tiny_detector import OVERRIDES, RECIPE, noise, write_tiny_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SHARED_MEMORY = Path("/dev/shm")
TRAINING = (
    "SOLVER.MAX_ITER",
    "100",
    "SOLVER.CHECKPOINT_PERIOD",
    "2",
    "DATALOADER.NUM_WORKERS",
    "1",
)
EVALUATION = (
    *("MODEL.WEIGHTS", "models/shapes/detic.pth", "DATASETS.TEST", "('shapes_val',)"),
    *("DATALOADER.NUM_WORKERS", "1"),
)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    make_datasets(root, val_images=60)
    return root


@pytest.fixture(autouse=True)
def no_shared_memory_is_left():
    before = shared_memory()
    yield
    assert shared_memory() <= before


def shared_memory():
    return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()


def kill(process, ready, delay_s):
    """Kill a process so long after it is ready; check that it leaves no process behind."""
    while not ready() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay_s)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until nobody can write there any more
    deadline = time.monotonic() + 10
    while group := living_members(process.pid):
        assert time.monotonic() < deadline, group
        time.sleep(0.05)


def living_members(group):
    """Return the processes of a group that have not ended."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,pid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return [row for row in rows if row[0] == str(group) and not row[2].startswith("Z")]


def newer(paths, begun):
    """Return the files that were written since a time."""
    times = []
    for path in paths:
        with suppress(FileNotFoundError):  # it has got its name meanwhile
            times.append((path.stat().st_mtime, path))
    return [path for written, path in times if written > begun]


def unfinished(folder):
    return {path for path in folder.rglob(".*") if path.name != ".running"}


def test_trainings(datasets, tmp_path):
    draw = random.Random(0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start_training(datasets, "Detic", whole, *TRAINING))
    for number in range(20):
        process, begun = resumed_training(datasets, killed), time.time()
        if number % 2:
            saved = draw.randrange(3)  # before the checkpoint that is interrupted
            kill(
                process,
                lambda begun=begun, saved=saved: (
                    len(newer(killed.glob("model_*"), begun)) >= saved
                    and newer(killed.glob(".model_*"), begun)
                ),
                draw.uniform(0, 0.03),
            )
        else:
            kill(
                process,
                lambda begun=begun: newer(killed.glob("events*"), begun),
                draw.uniform(0, 4),
            )
    finish(resumed_training(datasets, killed))
    a, b = final_state(killed), final_state(whole)
    assert_equal_weights(a, b, rtol=0, atol=0)
    assert a["iteration"] == b["iteration"]
    assert not unfinished(killed)
    assert not (killed / ".running").exists()


def resumed_training(datasets, output):
    flags = ("--num-gpus", "0", "--resume")
    return start_training(datasets, "Detic", output, *TRAINING, flags=flags)


def test_evaluations(datasets, tmp_path):
    draw = random.Random(1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(resumed_evaluation(datasets, whole))
    for _ in range(5):
        before = {path: path.stat().st_size for path in logs(killed)}
        process = resumed_evaluation(datasets, killed)
        kill(process, lambda old=before: has_grown(logs(killed), old), draw.uniform(0, 0.4))
    finish(resumed_evaluation(datasets, killed))
    for name in ("lvis_instances_results.json", "results.json"):
        path = Path("inference_shapes_val", name)
        assert (killed / path).read_bytes() == (whole / path).read_bytes()
    assert not unfinished(killed)


def resumed_evaluation(datasets, output):
    flags = ("--num-gpus", "0", "--eval-only", "--resume-eval")
    return start_training(datasets, "Detic", output, *EVALUATION, flags=flags)


def logs(output):
    return list(output.rglob("rank*.jsonl"))


def has_grown(paths, sizes):
    return any(path.stat().st_size > sizes.get(path, 0) for path in paths)


def test_demos(tmp_path):
    draw = random.Random(2)
    tiny = write_tiny_files(tmp_path)
    (tmp_path / "in").mkdir()
    for i in range(40):
        cv2.imwrite(str(tmp_path / "in" / f"{i:02d}.png"), noise(seed=i))
    finish(demo(tiny, tmp_path, "whole"))
    drawings = tmp_path / "killed"
    for _ in range(5):
        process, begun = demo(tiny, tmp_path, "killed"), time.time()
        kill(
            process,
            lambda begun=begun: newer(drawings.glob("[!.]*.png"), begun),
            draw.uniform(0, 0.3),
        )
    finish(demo(tiny, tmp_path, "killed"))
    whole, killed = (sorted((tmp_path / name).iterdir()) for name in ("whole", "killed"))
    assert [path.name for path in killed] == [path.name for path in whole]
    assert [path.read_bytes() for path in killed] == [path.read_bytes() for path in whole]
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not unfinished(tmp_path)


def demo(tiny, folder, output):
    """Start the program on the images of a folder; drawings and data are named ``output``."""
    command = [
        *(sys.executable, ROOT / "demo.py", "--config-file", RECIPE, "--cpu", "--input", "in"),
        *("--output", output, "--json", f"{output}.json", "--overwrite"),
        *("--custom-vocabulary", "cat,paper cup", "--confidence-threshold", "0"),
        *("--opts", *OVERRIDES, "MODEL.WEIGHTS", tiny.weights),
        *("MODEL.TEXT_ENCODER.WEIGHTS", tiny.text_weights),
    ]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | {"DETIC_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
