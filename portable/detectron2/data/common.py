"""Datasets around datasets: a packed list, a mapped one, batches by shape."""

import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from torch.utils import data

logger = logging.getLogger(__name__)

_MAX_CONSECUTIVE_FAILURES = 1000


class DatasetFromList(data.Dataset):
    """A dataset over a list.

    Args:
        lst: the items.
        copy: hand out copies, so that the items stay as they are whatever happens to them.
        serialize: keep the items pickled in one byte buffer. Forked worker processes share its
            pages, where a list of Python objects is copied page by page as reference counts change.
            Every access makes a fresh object.
    """

    def __init__(self, lst: list, copy: bool = True, serialize: bool = True) -> None:
        self._copy = copy
        self._items = _PackedList(lst) if serialize else lst
        self._serialize = serialize

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, idx: int) -> Any:
        item = self._items[idx]
        return deepcopy(item) if self._copy and not self._serialize else item


class _PackedList:
    """A list whose items are kept pickled."""

    def __init__(self, items: list) -> None:
        chunks = [pickle.dumps(item, protocol=-1) for item in items]
        self._ends = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
        self._buffer = np.frombuffer(b"".join(chunks), dtype=np.uint8)
        logger.info("%d records take %.2f MiB", len(items), self._buffer.nbytes / 2**20)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, idx: int) -> Any:
        idx = range(len(self))[idx]  # negative indices, IndexError beyond the end
        return pickle.loads(memoryview(self._buffer[self._ends[idx] : self._ends[idx + 1]]))


class MapDataset(data.Dataset):
    """The items of a dataset after a function.

    The function may answer None for an item that it cannot use, such as an unreadable image; a
    random other item then takes its place. It has to be picklable for workers started by spawn.
    Of a dataset that can only be iterated over, unusable items are left out.
    """

    def __new__(cls, dataset: data.Dataset, map_func: Callable):
        if isinstance(dataset, data.IterableDataset):
            return _MappedIterable(dataset, map_func)
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple:
        return self._dataset, self._map_func  # pickle calls __new__ too

    def __init__(self, dataset: data.Dataset, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func
        self._rng = random.Random(42)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int) -> Any:
        current = int(idx)
        for _ in range(_MAX_CONSECUTIVE_FAILURES):
            item = self._map_func(self._dataset[current])
            if item is not None:
                return item
            logger.warning("item %d cannot be used, another one takes its place", current)
            current = self._rng.randrange(len(self))
        raise RuntimeError(
            f"the map function gave None for item {idx} and {_MAX_CONSECUTIVE_FAILURES - 1} random "
            "others; look at what it rejects (missing files?)"
        )


class _MappedIterable(data.IterableDataset):
    """The items of an iterable dataset after a function, without those that become None."""

    def __init__(self, dataset: Iterable, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator:
        return (item for item in map(self._map_func, self._dataset) if item is not None)


class ToIterableDataset(data.IterableDataset):
    """The items of an indexed dataset in the order of a sampler.

    Args:
        dataset: an indexed dataset.
        sampler: of its indices.
        shard_sampler: each worker of a DataLoader takes its part of the indices. Without, every
            worker goes through all of them, which is right if the sampler shares them out itself.
        shard_chunk_size: consecutive indices that go to the same worker.
    """

    def __init__(
        self,
        dataset: data.Dataset,
        sampler: data.Sampler,
        shard_sampler: bool = True,
        shard_chunk_size: int = 1,
    ) -> None:
        self._dataset = dataset
        self._sampler = sampler
        self._shard_sampler = shard_sampler
        self._chunk = shard_chunk_size

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator:
        worker = data.get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for position, index in enumerate(self._sampler):
            if not self._shard_sampler or position // self._chunk % count == number:
                yield self._dataset[index]


class AspectRatioGroupedDataset(data.IterableDataset):
    """Batches of images that are all wider than high, or all not.

    Such batches need less padding. Images, dicts with `width` and `height`, wait in two buckets; a
    batch, a list, is emitted as soon as one is full. With a finite dataset the leftovers are
    dropped.
    """

    def __init__(self, dataset: Iterable[dict], batch_size: int):
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict]]:
        buckets: dict[bool, list[dict]] = {True: [], False: []}
        for record in self.dataset:
            is_wide = record["width"] > record["height"]
            buckets[is_wide].append(record)
            if len(buckets[is_wide]) == self.batch_size:
                yield buckets[is_wide]
                buckets[is_wide] = []
