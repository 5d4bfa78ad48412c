"""Services that keep the metrics and images of trainings, by stand-ins that record the calls."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from detectron2.utils.events import EventStorage

from detic.engine.experiment_tracking import SERVICES, build_tracker
from detic.errors import InputError

IMAGE = np.zeros((2, 2, 3), np.uint8)
CONFIGURATION = {"SEED": 0}


class Recorder:
    """A module whose functions note how they are called."""

    def __init__(self, calls, fails_at=""):
        self._calls, self._fails_at = calls, fails_at

    def __getattr__(self, name):
        def call(*arguments, **options):
            if name == self._fails_at:
                raise ConnectionError("no network")
            self._calls.append((name, arguments, options))
            return self

        return call


def report(monkeypatch, tmp_path, service, fails_at=""):
    """Return what a service was told of a training of two reports and an image."""
    calls = []
    monkeypatch.setitem(sys.modules, service, Recorder(calls, fails_at))
    tracker = build_tracker(service, tmp_path, CONFIGURATION)
    with EventStorage() as storage:
        for iteration in (19, 39):
            storage.iter = iteration
            storage.put_scalar("bbox/AP50@all", float(iteration), smoothing_hint=False)
            tracker.write()
        tracker.write()  # nothing new
        tracker.put_image("my_val/0", IMAGE, 39)
    tracker.close()
    return calls


def test_wandb_is_told_of_configuration_values_and_images(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    calls = report(monkeypatch, tmp_path, "wandb")
    name, _, options = calls[0]
    assert (name, options["config"], options["project"]) == ("init", CONFIGURATION, "detic")
    logged = [
        (arguments[0], options["step"]) for name, arguments, options in calls if name == "log"
    ]
    assert logged[:2] == [({"bbox/AP50@all": 19.0}, 19), ({"bbox/AP50@all": 39.0}, 39)]
    assert [list(values) for values, _ in logged[2:]] == [["my_val/0"]]
    assert calls[-1][0] == "finish"


def test_mlflow_is_told_of_configuration_values_and_images(monkeypatch, tmp_path):
    calls = report(monkeypatch, tmp_path, "mlflow")
    names = [name for name, *_ in calls]
    assert names[:3] == ["set_experiment", "start_run", "log_dict"]
    assert calls[2][1] == (CONFIGURATION, "config.json")
    metrics = [
        (arguments[0], options) for name, arguments, options in calls if name == "log_metrics"
    ]
    # MLflow knows no "@" in names.
    assert metrics == [
        ({"bbox/AP50_all": 19.0}, {"step": 19}),
        ({"bbox/AP50_all": 39.0}, {"step": 39}),
    ]
    [image] = [options for name, _, options in calls if name == "log_image"]
    assert image == {"artifact_file": "images/my_val/0-39.png"}
    assert names[-1] == "end_run"


def test_reports_come_by_rising_iteration(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setitem(sys.modules, "wandb", Recorder(calls))
    tracker = build_tracker("wandb", tmp_path, CONFIGURATION)
    tracker.put_image("my_val/0", IMAGE, 30)
    with EventStorage() as storage:
        for iteration, name in ((29, "image_loss"), (39, "loss")):
            storage.iter = iteration
            storage.put_scalar(name, 1.0)
        tracker.write()
    steps = [options["step"] for name, _, options in calls if name == "log"]
    assert steps == [29, 30, 39]


def test_a_service_that_fails_is_left_alone(monkeypatch, tmp_path, caplog):
    calls = report(monkeypatch, tmp_path, "mlflow", fails_at="log_metrics")
    assert [name for name, *_ in calls] == ["set_experiment", "start_run", "log_dict"]
    assert caplog.messages == ["Mlflow: no network; the training goes on without it"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_package_is_named_with_what_to_do(monkeypatch, tmp_path, service):
    monkeypatch.setitem(sys.modules, service, None)
    with pytest.raises(InputError, match=f"`pip install {service}`, or set TRACKING to ''"):
        build_tracker(service, tmp_path, CONFIGURATION)


def test_a_service_that_cannot_begin_ends_the_training(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace())
    with pytest.raises(InputError, match="TRACKING 'wandb' cannot begin"):
        build_tracker("wandb", tmp_path, CONFIGURATION)
