import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from detic.vocabulary import cache as cache_module
from detic.vocabulary.cache import EmbeddingCache

CAT, DOG = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache", "feed")


def test_stored_features_come_back(cache):
    cache.store("a {}", {"cat": CAT})
    cache.store("a {}", {"dog": DOG})
    features = cache.load("a {}")
    assert list(features) == ["cat", "dog"]
    assert torch.equal(features["cat"], CAT)
    assert torch.equal(features["dog"], DOG)


def test_nothing_is_known_at_first(cache):
    assert cache.load("a {}") == {}


def test_templates_and_encoders_have_files_of_their_own(cache):
    cache.store("a {}", {"cat": CAT})
    assert cache.load("photo {}") == {}
    assert EmbeddingCache(cache.folder, "beef").load("a {}") == {}


def test_damaged_file_is_rebuilt_with_a_warning_that_names_it(cache, caplog):
    cache.store("a {}", {"cat": CAT})
    path = cache.path("a {}")
    path.write_bytes(path.read_bytes()[:40])
    with caplog.at_level(logging.WARNING):
        assert cache.load("a {}") == {}
    assert "rebuilt" in caplog.text
    assert str(path) in caplog.text
    cache.store("a {}", {"dog": DOG})
    assert list(cache.load("a {}")) == ["dog"]


def test_file_of_another_encoder_is_not_trusted(cache, caplog):
    other = EmbeddingCache(cache.folder, "beef")
    other.store("a {}", {"cat": CAT})
    other.path("a {}").rename(cache.path("a {}"))
    assert cache.load("a {}") == {}
    assert "not a part of it" in caplog.text


def test_writers_at_the_same_time_lose_nothing(cache):
    names = [f"class {i}" for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: cache.store("a {}", {name: CAT}), names))
    assert set(cache.load("a {}")) == set(names)


def test_a_file_is_read_once_until_another_process_replaces_it(cache, monkeypatch):
    read = []
    read_table = cache_module.read_table
    monkeypatch.setattr(
        cache_module, "read_table", lambda path: read.append(path) or read_table(path)
    )
    other = EmbeddingCache(cache.folder, cache.fingerprint)
    other.store("a {}", {"cat": CAT})
    for _ in range(3):
        assert list(cache.load("a {}")) == ["cat"]
    assert len(read) == 1
    other.store("a {}", {"cat": DOG})  # a file of the same size
    assert torch.equal(cache.load("a {}")["cat"], DOG)
    assert len(read) == 2


def test_what_was_stored_need_not_be_read(cache, monkeypatch):
    cache.store("a {}", {"cat": CAT})
    monkeypatch.setattr(cache_module, "read_table", lambda path: pytest.fail("read"))
    cache.store("a {}", {"dog": DOG})
    assert list(cache.load("a {}")) == ["cat", "dog"]


def test_folder_that_cannot_be_written_is_only_a_warning(tmp_path, caplog):
    (tmp_path / "file").touch()
    EmbeddingCache(tmp_path / "file", "feed").store("a {}", {"cat": CAT})
    assert "not remembered" in caplog.text
    assert "DETIC_CACHE" in caplog.text
