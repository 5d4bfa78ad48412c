"""Datasets around datasets: a packed list, a mapped one, batches by shape."""

import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from torch.utils import data

logger = logging.getLogger(__name__)

MAX_CONSECUTIVE_FAILURES = 1000


class DatasetFromList(data.Dataset):
    """A dataset over a list, whose items are kept pickled in one byte buffer.

    Forked worker processes share its pages, where a list of Python objects is copied page by page
    as reference counts change. Every access makes a fresh object.
    """

    def __init__(self, lst: list) -> None:
        chunks = [pickle.dumps(item, protocol=-1) for item in lst]
        self._ends = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
        self._buffer = np.frombuffer(b"".join(chunks), dtype=np.uint8)
        logger.info("%d records take %.2f MiB", len(lst), self._buffer.nbytes / 2**20)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, idx: int) -> Any:
        idx = range(len(self))[idx]  # negative indices, IndexError beyond the end
        return pickle.loads(memoryview(self._buffer[self._ends[idx] : self._ends[idx + 1]]))


class MapDataset(data.Dataset):
    """The items of a dataset after a function.

    The function may answer None for an item that it cannot use, such as an unreadable image; a
    random other item then takes its place. It has to be picklable for workers started by spawn.
    """

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


class AspectRatioGroupedDataset(data.IterableDataset):
    """Batches of images that are all wider than high, or all not.

    Such batches need less padding. Images, dicts with `width` and `height`, wait in two buckets; a
    batch is emitted as soon as one is full. With a finite dataset the leftovers are dropped.
    """

    def __init__(self, dataset: Iterable[dict], batch_size: int, collate_fn: Callable = list):
        self.dataset = dataset
        self.batch_size = batch_size
        self.collate_fn = collate_fn

    def __iter__(self) -> Iterator:
        buckets: dict[bool, list[dict]] = {True: [], False: []}
        for record in self.dataset:
            is_wide = record["width"] > record["height"]
            buckets[is_wide].append(record)
            if len(buckets[is_wide]) == self.batch_size:
                yield self.collate_fn(buckets[is_wide])
                buckets[is_wide] = []
