"""Fixtures for all tests."""

import pytest
import torch


@pytest.fixture
def without_gpus(monkeypatch):
    """Processes started in the test compute on the CPU, on machines with GPUs too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
