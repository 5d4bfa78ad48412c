"""The stream of image indices that all processes share."""

import gc
import itertools
import weakref

import pytest

from detic.loading.index_stream import Epoch, StrideReader
from detic.loading.sampling import shuffled_draw


def indices(reader, count):
    return [element.index for element in itertools.islice(reader, count)]


@pytest.fixture
def epoch():
    return Epoch.first(shuffled_draw(5), seed=3)


def test_epochs_follow_each_other_in_one_stream(epoch):
    stream = [*epoch.indices, *epoch.following.indices, *epoch.following.following.indices]
    assert indices(StrideReader(epoch, 0, 1), 15) == stream
    assert sorted(stream[5:10]) == [0, 1, 2, 3, 4]
    assert stream[:5] != stream[5:10]


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_the_stream(epoch, world_size):
    stream = indices(StrideReader(epoch, 0, 1), 42)
    for rank in range(world_size):
        reader = StrideReader(epoch, rank, world_size)
        assert indices(reader, 42 // world_size) == stream[rank:42:world_size]


def test_positions_count_over_all_epochs(epoch):
    reader = StrideReader(epoch, 1, 4)
    assert [e.position for e in itertools.islice(reader, 4)] == [1, 5, 9, 13]


def test_reading_goes_on_from_an_epoch_s_generator_state(epoch):
    reader = StrideReader(epoch, 0, 1)
    indices(reader, 8)
    again = Epoch(shuffled_draw(5), reader.epoch.generator_state, reader.epoch.start)
    assert again.start == 5
    assert indices(StrideReader(again, reader.offset, 1), 9) == indices(reader, 9)


def test_epochs_that_are_over_are_forgotten():
    epoch = Epoch.first(shuffled_draw(5), seed=3)
    reader = StrideReader(epoch, 0, 1)
    first = weakref.ref(epoch)
    del epoch
    indices(reader, 6)
    gc.collect()
    assert first() is None
