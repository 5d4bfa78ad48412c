"""The script that times training steps, on a tiny model."""

import math
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return import_module("training_speed")


@pytest.mark.parametrize("batch", ["boxes", "labels"])
def test_steps_are_timed_part_by_part(script, batch):
    training = script.Training(script.Setting(batch, "exact", threads=1, quick=True))
    first, second = training.step(), training.step()
    assert all(math.isfinite(loss) for loss in first.losses.values())
    assert script.largest_difference(second.losses, first.losses) > 0  # the weights have moved
    for step in (first, second):
        assert set(step.cpu) == set(step.wall) == set(script.PARTS)
        assert min(step.wall.values()) > 0


def test_a_row_has_the_least_times_of_all_steps_but_the_first(script):
    def step(seconds, loss):
        times = dict.fromkeys(script.PARTS, seconds)
        return script.Step(times, times, 100.0, {"loss": loss})

    ours, theirs = [step(1, 2.0), step(3, 0), step(2, 0)], [step(9, 4.0), step(4, 0)]
    _, *numbers, difference = script.table_row("ours", ours, theirs)
    assert numbers == [2, 2, 2, 6, 6, 2, 2, 100]
    assert difference == "5e-01"
