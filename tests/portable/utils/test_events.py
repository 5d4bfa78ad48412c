"""Metrics and their writers."""

import json
import logging

import pytest
import torch
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventStorage,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
    has_event_storage,
)


def test_active_storage_is_the_innermost():
    assert not has_event_storage()
    with EventStorage(3) as outer:
        with EventStorage() as inner:
            assert get_event_storage() is inner
        assert get_event_storage() is outer
        assert has_event_storage()
    with pytest.raises(RuntimeError, match="only be stored inside 'with EventStorage"):
        get_event_storage()


def test_values_carry_their_iteration():
    storage = EventStorage(5)
    storage.put_scalar("loss", torch.tensor(2.0))
    storage.step()
    storage.put_scalars(loss=4.0, other=1)
    assert storage.latest() == {"loss": (4.0, 6), "other": (1.0, 6)}
    assert storage.history("loss").values() == [(2.0, 5), (4.0, 6)]
    storage.iter = 9
    assert storage.iteration == 9


def test_only_noisy_metrics_are_smoothed():
    storage = EventStorage()
    for value in (1.0, 10.0, 2.0):
        storage.put_scalar("loss", value)
        storage.put_scalar("lr", value, smoothing_hint=False)
    assert storage.latest_with_smoothing_hint() == {"loss": (2.0, 0), "lr": (2.0, 0)}
    assert storage.latest_with_smoothing_hint(2)["loss"] == (6.0, 0)
    assert storage.smoothing_hints() == {"loss": True, "lr": False}


def test_scopes_prefix_names_and_end():
    storage = EventStorage()
    with storage.name_scope("a"):
        storage.put_scalar("x", 1)
        with storage.name_scope("b"):
            storage.put_scalar("x", 1)
    storage.put_scalar("x", 1)
    assert list(storage.histories()) == ["a/x", "b/x", "x"]


def test_unknown_metric_and_changed_hint_are_reported():
    storage = EventStorage()
    storage.put_scalar("loss", 1.0)
    with pytest.raises(KeyError, match="no metric 'lost' was stored; stored are: loss"):
        storage.history("lost")
    with pytest.raises(ValueError, match="stored with smoothing_hint=True before"):
        storage.put_scalar("loss", 1.0, smoothing_hint=False)


def test_json_lines_hold_each_value_once(tmp_path):
    writer = JSONWriter(str(tmp_path / "metrics.json"))
    with EventStorage() as storage:
        for iteration in range(2):
            storage.iter = iteration
            storage.put_scalar("loss", iteration, smoothing_hint=False)
            writer.write()
        writer.write()
    writer.close()
    lines = (tmp_path / "metrics.json").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"iteration": 0, "loss": 0.0},
        {"iteration": 1, "loss": 1.0},
    ]


def test_tensorboard_log_holds_scalars_and_pictures(tmp_path):
    writer = TensorboardXWriter(str(tmp_path))
    with EventStorage() as storage:
        storage.put_scalar("loss", 1.0)
        storage.put_image("picture", torch.zeros(3, 4, 4, dtype=torch.uint8))
        writer.write()
        assert storage.images() == []
    writer.close()
    content = next(tmp_path.iterdir()).read_bytes()
    assert b"loss" in content
    assert b"picture" in content


def test_printed_line(caplog):
    with EventStorage() as storage, caplog.at_level(logging.INFO):
        storage.iter = 9
        storage.put_scalars(total_loss=1.5, time=2.0, data_time=0.5)
        storage.put_scalar("lr", 0.01, smoothing_hint=False)
        CommonMetricPrinter(max_iter=40).write()
    for part in ("eta: 0:01:00", "iter: 9", "total_loss: 1.5", "data_time: 0.5", "lr: 0.01"):
        assert part in caplog.text


def test_time_left_without_times_comes_from_the_pace_of_the_lines(caplog, monkeypatch):
    clock = iter([100.0, 130.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    printer = CommonMetricPrinter(max_iter=21)
    with EventStorage() as storage, caplog.at_level(logging.INFO):
        printer.write()
        assert "eta" not in caplog.text
        storage.iter = 10
        printer.write()
    assert "eta: 0:00:30" in caplog.text


def test_nothing_is_printed_after_the_last_iteration(caplog):
    with EventStorage(40), caplog.at_level(logging.INFO):
        CommonMetricPrinter(max_iter=40).write()
    assert caplog.text == ""
