"""Samplers, on one process and on several."""

import itertools
from collections import Counter
from unittest import mock

import pytest
import torch
from detectron2.data.samplers import (
    InferenceSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectron2.utils import comm


def first(n, sampler):
    return list(itertools.islice(iter(sampler), n))


def on_rank(rank, world_size, make_sampler):
    with (
        mock.patch.object(comm, "get_rank", return_value=rank),
        mock.patch.object(comm, "get_world_size", return_value=world_size),
    ):
        return make_sampler()


def test_every_epoch_holds_every_index_in_another_order():
    stream = first(20, TrainingSampler(10, seed=3))
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert stream[:10] != stream[10:]
    generator = torch.Generator().manual_seed(3)
    assert stream[:10] == torch.randperm(10, generator=generator).tolist()


def test_an_unshuffled_stream_counts():
    assert first(5, TrainingSampler(3, shuffle=False)) == [0, 1, 2, 0, 1]


def test_ranks_share_one_stream():
    whole = first(12, TrainingSampler(5, seed=0))
    halves = [on_rank(r, 2, lambda: TrainingSampler(5, seed=0)) for r in range(2)]
    assert [first(6, half) for half in halves] == [whole[0::2], whole[1::2]]


def test_training_on_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one record, got size 0"):
        TrainingSampler(0)


def test_repeat_factors_by_hand():
    # Class 0 is in all eight images, class 1 in two, class 2 in one; the last image is empty of
    # rare ones, and one more has no annotation.
    classes = [[0, 1], [0, 1, 1], [0, 2], [0], [0], [0], [0], []]
    dicts = [{"annotations": [{"category_id": c} for c in cs]} for cs in classes]
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency
    torch.testing.assert_close(
        factors(dicts, 0.5), torch.tensor([2**0.5, 2**0.5, 2.0, 1, 1, 1, 1, 1])
    )
    assert factors(dicts, 0.5, sqrt=False).tolist() == [2, 2, 4, 1, 1, 1, 1, 1]


def test_whole_factors_are_exact_and_fractions_hold_on_average():
    sampler = RepeatFactorTrainingSampler(torch.tensor([1.0, 2.0, 1.25]), seed=0)
    generator = torch.Generator().manual_seed(0)
    epochs = [Counter(sampler._get_epoch_indices(generator).tolist()) for _ in range(400)]
    assert all(epoch[0] == 1 and epoch[1] == 2 for epoch in epochs)
    assert sum(epoch[2] for epoch in epochs) / 400 == pytest.approx(1.25, abs=0.06)


@pytest.mark.parametrize(("size", "world_size"), [(7, 3), (2, 4), (0, 2), (6, 3)])
def test_inference_covers_every_index_once_in_nearly_equal_shares(size, world_size):
    shares = [
        list(on_rank(r, world_size, lambda: InferenceSampler(size))) for r in range(world_size)
    ]
    assert list(itertools.chain(*shares)) == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_random_part_is_seen_in_every_epoch():
    sampler = RandomSubsetTrainingSampler(10, 0.3, seed_shuffle=0, seed_subset=1)
    seen = first(6, sampler)
    assert set(seen[:3]) == set(seen[3:])
    assert len(set(seen)) == 3
    again = RandomSubsetTrainingSampler(10, 0.3, seed_shuffle=5, seed_subset=1)
    assert set(first(3, again)) == set(seen)
    with pytest.raises(ValueError, match="above 0 and at most 1, got 2"):
        RandomSubsetTrainingSampler(10, 2)
