"""What a training says while it runs."""

import json
import math
import sys
from pathlib import Path

import pytest
from detectron2.utils.events import EventStorage

from detic.engine.progress import MetricsFile, ProgressLine
from detic.errors import InputError


def test_losses_of_batches_that_take_turns_are_averaged(caplog):
    caplog.set_level("INFO")
    with EventStorage() as storage:
        for iteration in range(20):
            storage.iter = iteration
            loss = 2.0 * (iteration % 2)
            rates = {"time": 0.5, "data_time": 0.1, "images_per_second": 16.0, "lr": 0.01}
            storage.put_scalars(total_loss=loss, loss_mask=loss, **rates)
        ProgressLine(max_iter=40).write()
    course, losses = caplog.messages
    assert course.startswith(
        "iteration 20/40  eta 0:00:10  total_loss 1.000  lr 1.0e-02  16.0 img/s"
    )
    assert losses == "loss_mask 1.000"


def test_lines_of_a_long_training_fit_120_characters(caplog):
    caplog.set_level("INFO")
    stages = [f"{name}_stage{i}" for name in ("loss_cls", "loss_box_reg") for i in range(3)]
    kinds = [f"loss_of_another_kind_{i}" for i in range(9)]
    with EventStorage() as storage:
        storage.iter = 12345
        rates = {"time": 1.5, "data_time": 0.1, "images_per_second": 1234.5, "lr": 1e-5}
        losses = dict.fromkeys(stages, 2.0) | dict.fromkeys(kinds, 0.5)
        storage.put_scalars(total_loss=100.0, **losses, **rates)
        ProgressLine(max_iter=720000).write()
    head = "[11/27 04:25:34] detic.train INFO: "
    assert all(len(head + line) <= 120 for line in caplog.messages)
    course, shown = caplog.messages
    assert "eta 294:" in course
    assert shown.startswith("loss_box_reg 6.000  loss_cls 6.000  loss_of_another_kind_0 0.500")


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def write_metrics(path, iteration, **values):
    writer = MetricsFile(path)
    with EventStorage() as storage:
        storage.iter = iteration
        storage.put_scalars(smoothing_hint=False, **values)
        writer.write()
        writer.write()  # nothing new
    writer.close()


def test_metrics_are_lines_of_valid_json(tmp_path):
    path = tmp_path / "metrics.json"
    write_metrics(path, 19, loss=0.5, AP=math.nan, APr=math.inf)
    (line,) = path.read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {
        **{"AP": None, "APr": None, "iteration": 19, "loss": 0.5}
    }


def test_the_half_line_of_a_killed_run_is_cut_off(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 19}\n{"iterat')
    write_metrics(path, 39, loss=0.5)
    assert [json.loads(line)["iteration"] for line in path.read_text().splitlines()] == [19, 39]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_metrics_that_cannot_be_written_are_named():
    with pytest.raises(InputError, match="cannot write /dev/full: no space left"):
        write_metrics(Path("/dev/full"), 19, loss=0.5)
