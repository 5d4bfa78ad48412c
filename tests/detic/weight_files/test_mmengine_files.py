"""Checkpoints of mmengine hold objects of its classes beside the weights."""

import sys
from collections import OrderedDict
from types import ModuleType

import numpy as np
import pytest
import torch

from detic.errors import InputError
from detic.weight_files import read_weights
from tests.detic.checkpoint.conftest import assert_same

WEIGHTS = OrderedDict({"rpn_head.conv_cls.weight": torch.tensor([1.5, -0.0])})


class HistoryBuffer:
    """Stands for mmengine's: a history of a loss, with the methods that summarise it."""

    built = 0  # objects that a file has built

    def __init__(self):
        self._max_length = 1_000_000
        self._log_history = np.array([0.5, 0.25])
        self._count_history = np.array([1, 1])
        self._statistics_methods = {"mean": HistoryBuffer.mean}

    def mean(self):
        return 0.375

    def __setstate__(self, state):
        HistoryBuffer.built += 1


@pytest.fixture
def checkpoint(monkeypatch):
    """The content of a checkpoint, with classes under mmengine's names."""
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = sys.modules["mmengine.logging.history_buffer"]
    module.HistoryBuffer = HistoryBuffer
    monkeypatch.setattr(HistoryBuffer, "__module__", module.__name__)
    monkeypatch.setattr(HistoryBuffer.mean, "__module__", module.__name__)
    monkeypatch.setattr(HistoryBuffer, "built", 0)
    return {
        "meta": {"epoch": 12, "iter": 90_000, "dataset_meta": {"CLASSES": ("cat", "dog")}},
        "state_dict": WEIGHTS,
        "message_hub": {
            "log_scalars": OrderedDict({"train/loss": HistoryBuffer()}),
            "runtime_info": OrderedDict(best=np.float64(0.3), iter=np.int64(3), hits=np.arange(3)),
            "resumed_keys": OrderedDict({"train/loss": True}),
        },
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
        "param_schedulers": [{"last_step": 5, "_global_step": 6}],
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_only_the_weights_are_read_and_nothing_is_built(checkpoint, tmp_path, zipped):
    path = tmp_path / "w.pth"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped)
    # PyTorch itself, asked to trust the file, builds the objects.
    torch.load(path, weights_only=False)
    assert HistoryBuffer.built == 1
    assert_same(read_weights(path), WEIGHTS)
    assert HistoryBuffer.built == 1


def test_arrays_keep_their_values(tmp_path):
    torch.save({"model": {"w": np.float32([1.5, -2]), "n": np.arange(3)}}, tmp_path / "w.pth")
    expected = {"w": torch.tensor([1.5, -2]), "n": torch.arange(3)}
    assert_same(read_weights(tmp_path / "w.pth"), expected)


class Reduced:
    """Has a pickle call what it names."""

    def __init__(self, function, *args, state=None):
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.call


def test_attributes_that_a_file_looks_up_are_not_got(tmp_path):
    getter = Reduced(getattr, torch.Size([2]), "no such attribute")
    torch.save({"model": dict(WEIGHTS), "x": getter}, tmp_path / "w.pth")
    assert_same(read_weights(tmp_path / "w.pth"), WEIGHTS)


def test_the_byte_order_of_numpy_stays(tmp_path):
    state = (3, ">", None, None, None, -1, -1, 0)
    torch.save({"model": dict(WEIGHTS), "x": Reduced(np.dtype, "f8", state=state)}, tmp_path / "w")
    assert_same(read_weights(tmp_path / "w"), WEIGHTS)
    assert np.dtype("f8").byteorder == "="


def test_a_file_makes_no_arrays_of_a_size_of_its_own(tmp_path):
    torch.save({"model": dict(WEIGHTS), "x": Reduced(np.ndarray, (2**40,))}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="cannot be read as weights") as caught:
        read_weights(tmp_path / "w.pth")
    assert "make an array of nothing" in str(caught.value.__cause__)
