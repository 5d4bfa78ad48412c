"""Fixtures for all tests."""

import pytest
import torch

from detic.paths import datasets_root


@pytest.fixture
def without_gpus(monkeypatch):
    """Processes started in the test compute on the CPU, on machines with GPUs too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(autouse=True)
def own_datasets_root():
    """Each test has the datasets root that the environment names when it first asks."""
    datasets_root.cache_clear()
    yield
    datasets_root.cache_clear()
