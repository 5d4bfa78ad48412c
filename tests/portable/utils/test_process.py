"""Random seeds, memory shortage and the environment report."""

import random

import numpy as np
import pytest
import torch
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.memory import retry_if_cuda_oom


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_same_seed_gives_same_numbers_in_all_generators():
    seed_all_rng(7)
    first = draw()
    seed_all_rng(7)
    assert draw() == first


def test_without_seed_runs_differ():
    seed_all_rng()
    first = draw()
    seed_all_rng()
    assert draw() != first


def test_memory_shortage_is_retried_twice():
    calls = []

    @retry_if_cuda_oom
    def fails_twice(x, scale=1):
        calls.append(x.device.type)
        if len(calls) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x * scale

    assert fails_twice(torch.ones(()), scale=torch.tensor(3)) == 3
    assert calls == ["cpu"] * 3


def test_other_errors_are_not_retried():
    @retry_if_cuda_oom
    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fails()


def test_environment_report_names_versions():
    report = collect_env_info()
    assert torch.__version__.split("+")[0] in report
    assert "pycocotools" in report
