"""Batches of loaders that know nothing of resuming."""

from itertools import islice

import numpy as np
import pytest
from detectron2.utils import comm

from detic.errors import InputError
from detic.lazy.loader import PlainLoader
from detic.loading.loader import merge_loader_states


def drawn():
    return np.random.rand(3).tolist()


def first(loader, count):
    return list(islice(loader, count))


def test_loaders_that_end_begin_anew():
    assert first(PlainLoader(lambda: ["a", "b"], seed=0), 5) == ["a", "b", "a", "b", "a"]
    with pytest.raises(InputError, match=r"dataloader\.train has no batches"):
        first(PlainLoader(list, seed=0), 1)


def test_a_seed_decides_what_is_drawn(monkeypatch):
    once = first(PlainLoader(drawn, seed=1), 3)
    assert first(PlainLoader(drawn, seed=1), 3) == once
    assert first(PlainLoader(drawn, seed=2), 3) != once
    monkeypatch.setattr(comm, "get_rank", lambda: 1)
    assert first(PlainLoader(drawn, seed=1), 3) != once


def test_a_training_that_goes_on_draws_other_batches():
    loader = PlainLoader(drawn, seed=1)
    before = first(loader, 3)
    resumed = PlainLoader(drawn, seed=1)
    resumed.load_state_dict(merge_loader_states([loader.state_dict()]))
    assert resumed.state_dict() == {"ranks": {0: 3}}
    assert not set(first(resumed, 3)) & set(before)
