"""Datasets around datasets: a packed list, a mapped one, a sampled one, batches by shape."""

import copy
import itertools
import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils import data
from torch.utils.data import Sampler

logger = logging.getLogger(__name__)

MAX_CONSECUTIVE_FAILURES = 1000


class DatasetFromList(data.Dataset):
    """A dataset over a list.

    Serialised (the default), all items live in one byte buffer: forked worker processes share
    its pages, where a list of Python objects is copied page by page as reference counts change.

    Args:
        lst: the items.
        copy: whether each access of an unserialised list returns a deep copy.
        serialize: whether to keep the items pickled; every access then makes a fresh object.
    """

    def __init__(self, lst: list, copy: bool = True, serialize: bool = True) -> None:
        self._copy = copy
        self._serialize = serialize
        if not serialize:
            self._items = lst
            return
        chunks = [np.frombuffer(pickle.dumps(item, protocol=-1), dtype=np.uint8) for item in lst]
        self._ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
        self._buffer = np.concatenate(chunks) if chunks else np.empty(0, dtype=np.uint8)
        logger.info("%d records take %.2f MiB", len(lst), self._buffer.nbytes / 2**20)

    def __len__(self) -> int:
        return len(self._ends) if self._serialize else len(self._items)

    def __getitem__(self, idx: int) -> Any:
        if not self._serialize:
            return copy.deepcopy(self._items[idx]) if self._copy else self._items[idx]
        idx = range(len(self))[idx]  # negative indices, IndexError beyond the end
        start = self._ends[idx - 1] if idx > 0 else 0
        return pickle.loads(memoryview(self._buffer[start : self._ends[idx]]))


class _MapIterableDataset(data.IterableDataset):
    """The items of an iterable after a function, those it answers with None left out."""

    def __init__(self, dataset: Iterable, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator:
        return (item for item in map(self._map_func, self._dataset) if item is not None)


class MapDataset(data.Dataset):
    """The items of a dataset after a function.

    The function may answer None for an item that it cannot use, such as an unreadable image. An
    indexed dataset then gives a random other item instead, an iterable one skips it.

    Args:
        dataset: indexed, or an IterableDataset; the result is of the same sort.
        map_func: item -> item or None. It has to be picklable for workers started by spawn.
    """

    def __new__(cls, dataset: data.Dataset, map_func: Callable) -> data.Dataset:
        if isinstance(dataset, data.IterableDataset):
            return _MapIterableDataset(dataset, map_func)
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple:
        return self._dataset, self._map_func

    def __init__(self, dataset: data.Dataset, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func
        self._rng = random.Random(42)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int) -> Any:
        current = int(idx)
        for _ in range(MAX_CONSECUTIVE_FAILURES):
            item = self._map_func(self._dataset[current])
            if item is not None:
                return item
            logger.warning("item %d cannot be used, another one takes its place", current)
            current = self._rng.randrange(len(self))
        raise RuntimeError(
            f"the map function gave None for item {idx} and {MAX_CONSECUTIVE_FAILURES - 1} random "
            "others; look at what it rejects (missing files?)"
        )


class ToIterableDataset(data.IterableDataset):
    """The items of an indexed dataset in the order of a sampler.

    Args:
        dataset: an indexed dataset.
        sampler: gives indices, the same ones in every worker process.
        shard_sampler: whether each worker takes its own share of the indices. False if the
            sampler already looks at its worker.
        shard_chunk_size: how many consecutive indices a worker takes at a time. With the batch
            size here, batches are the same for any number of workers.
    """

    def __init__(
        self,
        dataset: data.Dataset,
        sampler: Sampler,
        shard_sampler: bool = True,
        shard_chunk_size: int = 1,
    ) -> None:
        if isinstance(dataset, data.IterableDataset):
            raise TypeError("ToIterableDataset samples an indexed dataset; this one is iterable")
        if not isinstance(sampler, Iterable):
            raise TypeError(f"the sampler must be iterable, got {type(sampler).__name__}")
        self.dataset = dataset
        self.sampler = sampler
        self.shard_sampler = shard_sampler
        self.shard_chunk_size = shard_chunk_size

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator:
        indices = iter(self.sampler)
        worker = data.get_worker_info()
        if self.shard_sampler and worker is not None:
            indices = _shard(indices, worker.id, worker.num_workers, self.shard_chunk_size)
        return (self.dataset[index] for index in indices)


def _shard(items: Iterator, shard: int, num_shards: int, chunk_size: int) -> Iterator:
    """Yields the chunks number shard, shard + num_shards, ... of the items.

    >>> list(_shard(iter(range(10)), shard=1, num_shards=2, chunk_size=2))
    [2, 3, 6, 7]
    """
    chunks = itertools.cycle(range(num_shards))
    while chunk := list(itertools.islice(items, chunk_size)):
        if next(chunks) == shard:
            yield from chunk


class AspectRatioGroupedDataset(data.IterableDataset):
    """Batches of images that are all wider than high, or all not.

    Such batches need less padding. Images wait in two buckets, a batch is emitted as soon as one
    is full; with a finite dataset the leftovers are dropped.

    Args:
        dataset: yields dicts with `width` and `height`.
        batch_size: images per batch.
    """

    def __init__(self, dataset: Iterable[dict], batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict]]:
        buckets: Sequence[list[dict]] = ([], [])
        for record in self.dataset:
            bucket = buckets[0 if record["width"] > record["height"] else 1]
            bucket.append(record)
            if len(bucket) == self.batch_size:
                yield bucket[:]
                bucket.clear()
