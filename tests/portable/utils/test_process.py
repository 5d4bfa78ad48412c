"""Random seeds and the environment report."""

import random

import numpy as np
import torch
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng


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


def test_environment_report_names_versions():
    report = collect_env_info()
    assert torch.__version__.split("+")[0] in report
    assert "detectron2" in report
