"""Metrics and their writers."""

import json

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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in


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


@needs_stand_in
def test_values_on_a_device_are_read_together_when_somebody_asks():
    with StandInDevice() as device:
        storage = EventStorage(5)
        for value in (2.0, 4.0):
            storage.put_scalars(loss=torch.full((), value, device=DEVICE), time=value / 2)
            storage.step()
        assert device.waits.total() == 0
        assert storage.latest() == {"loss": (4.0, 6), "time": (2.0, 6)}
        assert storage.history("loss").values() == [(2.0, 5), (4.0, 6)]
        assert device.waits.total() == 1


def test_only_noisy_metrics_are_smoothed():
    storage = EventStorage()
    for iteration, value in enumerate((1.0, 10.0, 2.0)):
        storage.iter = iteration
        storage.put_scalar("loss", value)
        storage.put_scalar("lr", value, smoothing_hint=False)
    assert storage.latest_with_smoothing_hint() == {"loss": (2.0, 2), "lr": (2.0, 2)}
    assert storage.latest_with_smoothing_hint(2)["loss"] == (6.0, 2)


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


def test_values_can_belong_to_another_iteration():
    storage = EventStorage(7)
    storage.put_scalar("loss", 1.0, cur_iter=3)
    storage.put_scalars(other=2.0, cur_iter=4)
    assert storage.latest() == {"loss": (1.0, 3), "other": (2.0, 4)}
    assert (storage.iter, storage.iteration) == (7, 7)
    assert set(storage.histories()) == set(storage.smoothing_hints()) == {"loss", "other"}


def test_rare_values_are_not_smoothed_over_old_ones():
    storage = EventStorage()
    for iteration, value in ((0, 1.0), (10, 3.0), (20, 5.0)):
        storage.put_scalar("rare", value, cur_iter=iteration)
    assert storage.count_samples("rare", 15) == 2
    assert storage.latest_with_smoothing_hint(15)["rare"] == (4.0, 20)


def test_pictures_and_histograms_are_written_once(tmp_path):
    writer = TensorboardXWriter(str(tmp_path))
    with EventStorage() as storage:
        storage.put_image("image", torch.zeros(3, 4, 4, dtype=torch.uint8))
        storage.put_histogram("weights", torch.randn(100), bins=10)
        writer.write()
        assert (storage._images, storage._histograms) == ([], [])
    writer.close()
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    assert events.Tags()["images"] == ["image"]
    assert events.Histograms("weights")[0].histogram_value.num == 100


def test_the_printed_line_tells_the_time_left(caplog):
    printer = CommonMetricPrinter(max_iter=11)
    with EventStorage(0) as storage, caplog.at_level("INFO"):
        storage.put_scalars(total_loss=1.5, time=60.0)
        storage.put_scalar("lr", 0.01, smoothing_hint=False)
        printer.write()
        storage.iter = 11
        printer.write()
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("eta: 0:10:00  iter: 0  total_loss: 1.5  time: 60.0000 s  lr: 0.01")
