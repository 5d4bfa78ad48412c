"""The datasets that wrap datasets."""

import pickle
from unittest import mock

import pytest
from detectron2.data import DatasetFromList, MapDataset, ToIterableDataset, common
from detectron2.data.common import AspectRatioGroupedDataset
from torch.utils.data import DataLoader, SequentialSampler


def double(x):
    return 2 * x


def even_or_none(x):
    return x if x % 2 == 0 else None


def test_items_of_a_list_can_be_changed_without_changing_the_dataset():
    items = [{"a": [i]} for i in range(3)]
    dataset = DatasetFromList(items)
    dataset[1]["a"].append(7)
    assert [dataset[i] for i in range(len(dataset))] == items
    assert dataset[-1] == items[-1]


def test_reading_past_the_end_stops_iteration():
    assert list(DatasetFromList(["x", "yy"])) == ["x", "yy"]
    assert len(DatasetFromList([])) == 0
    with pytest.raises(IndexError):
        DatasetFromList(["x"])[1]


def test_map_replaces_unusable_items_by_others():
    dataset = MapDataset(DatasetFromList(list(range(10))), even_or_none)
    assert dataset[4] == 4
    assert dataset[3] % 2 == 0
    assert len(dataset) == 10


def test_map_gives_up_when_nothing_is_usable():
    dataset = MapDataset(DatasetFromList([1, 3]), even_or_none)
    with (
        mock.patch.object(common, "_MAX_CONSECUTIVE_FAILURES", 5),
        pytest.raises(RuntimeError, match="None for item 0 and 4 random others"),
    ):
        dataset[0]


def test_a_mapped_dataset_can_be_sent_to_a_worker():
    dataset = pickle.loads(pickle.dumps(MapDataset(DatasetFromList([1, 2]), double)))
    assert list(map(dataset.__getitem__, range(2))) == [2, 4]


def test_batches_are_all_wide_or_all_high_and_leftovers_are_dropped():
    wide = [{"width": 3, "height": 2, "id": i} for i in range(3)]
    high = [{"width": 2, "height": 2, "id": i} for i in range(3, 6)]
    stream = [wide[0], high[0], high[1], wide[1], wide[2], high[2]]
    batches = AspectRatioGroupedDataset(stream, 2)
    assert list(batches) == [high[:2], wide[:2]]
    assert list(MapDataset(batches, tuple)) == [tuple(high[:2]), tuple(wide[:2])]


def test_items_are_copied_on_request():
    items = [{"id": 0}]
    for serialize in (True, False):
        DatasetFromList(items, copy=True, serialize=serialize)[0]["id"] = 1
    assert items == [{"id": 0}]
    assert DatasetFromList(items, copy=False, serialize=False)[0] is items[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shard_sampler": True}, [0, 1, 2, 3, 4]),
        ({"shard_sampler": False}, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
    ],
)
def test_workers_share_the_indices_of_a_sampler(options, expected):
    dataset = ToIterableDataset(
        DatasetFromList(list(range(5))), SequentialSampler(range(5)), **options
    )
    assert sorted(DataLoader(dataset, batch_size=None, num_workers=2)) == expected


def test_chunks_of_a_sampler_stay_together():
    dataset = ToIterableDataset(list(range(6)), SequentialSampler(range(6)), shard_chunk_size=2)
    batches = DataLoader(dataset, batch_size=2, num_workers=2)
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4, 5]]
