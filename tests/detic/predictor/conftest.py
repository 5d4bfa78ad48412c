"""A tiny detector whose vocabulary tests may replace."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # images this small gain nothing from more
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def text_cache(own_text_cache):
    """Class names are embedded anew in each test."""


@pytest.fixture(scope="session")
def shared_detector(tiny_files, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETIC_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny_files.detector(["cat", "dog"])


@pytest.fixture
def detector(shared_detector):
    shared_detector.set_vocabulary(["cat", "dog", "café"])
    return shared_detector
