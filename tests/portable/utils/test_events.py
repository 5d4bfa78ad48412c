"""Metrics and their writers."""

import json

import pytest
import torch
from detectron2.utils.events import (
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


def test_only_noisy_metrics_are_smoothed():
    storage = EventStorage()
    for value in (1.0, 10.0, 2.0):
        storage.put_scalar("loss", value)
        storage.put_scalar("lr", value, smoothing_hint=False)
    assert storage.latest_with_smoothing_hint() == {"loss": (2.0, 0), "lr": (2.0, 0)}
    assert storage.latest_with_smoothing_hint(2)["loss"] == (6.0, 0)


def test_scopes_prefix_names_and_end():
    storage = EventStorage()
    with storage.name_scope("a"):
        storage.put_scalar("x", 1)
        with storage.name_scope("b"):
            storage.put_scalar("x", 1)
    storage.put_scalar("x", 1)
    assert list(storage.latest()) == ["a/x", "b/x", "x"]


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


def test_tensorboard_log_holds_scalars(tmp_path):
    writer = TensorboardXWriter(str(tmp_path))
    with EventStorage() as storage:
        storage.put_scalar("loss", 1.0)
        writer.write()
    writer.close()
    assert b"loss" in next(tmp_path.iterdir()).read_bytes()
