"""Data loaders: records of the named datasets -> mapper -> sampler -> batches."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.utils.comm import get_world_size
from detectron2.utils.env import seed_all_rng
from torch.utils import data
from torch.utils.data import DataLoader, Sampler

from .common import AspectRatioGroupedDataset, DatasetFromList, MapDataset, ToIterableDataset
from .dataset_mapper import DatasetMapper
from .records import (
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
    print_instances_class_histogram,
)
from .samplers import InferenceSampler, RepeatFactorTrainingSampler, TrainingSampler

__all__ = [
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "print_instances_class_histogram",
    "trivial_batch_collator",
    "worker_init_reset_seed",
]


def build_batch_data_loader(
    dataset: data.Dataset,
    sampler: Sampler | None,
    total_batch_size: int,
    *,
    aspect_ratio_grouping: bool = False,
    num_workers: int = 0,
    collate_fn: Callable[[list], Any] | None = None,
    drop_last: bool = True,
    seed: int | None = None,
    **kwargs: Any,
) -> data.IterableDataset | DataLoader:
    """Returns an iterable over the batches of this process.

    Args:
        dataset: an indexed dataset, or an iterable one which samples itself.
        sampler: of indices, for an indexed dataset.
        total_batch_size: over all processes, which have equal shares.
        aspect_ratio_grouping: whether batches hold only wide or only high images. The items then
            have `width` and `height`.
        num_workers: processes that load data.
        collate_fn: list of items -> batch; None keeps the list.
        drop_last: whether an incomplete last batch is dropped (always so with grouping).
        seed: of the worker processes; None for a random one.
        kwargs: further arguments of the DataLoader.

    Raises:
        ValueError: the batch cannot be divided, or a sampler comes with an iterable dataset.
    """
    world_size = get_world_size()
    if total_batch_size <= 0 or total_batch_size % world_size:
        raise ValueError(
            f"total batch size {total_batch_size} must be a positive multiple of the number of "
            f"processes, {world_size}; change SOLVER.IMS_PER_BATCH"
        )
    batch_size = total_batch_size // world_size
    if not isinstance(dataset, data.IterableDataset):
        dataset = ToIterableDataset(dataset, sampler, shard_chunk_size=batch_size)
    elif sampler is not None:
        raise ValueError("an iterable dataset samples itself; give sampler=None")
    if seed is not None:
        kwargs["generator"] = torch.Generator().manual_seed(seed)
    kwargs.update(num_workers=num_workers, worker_init_fn=worker_init_reset_seed)
    collate_fn = collate_fn or trivial_batch_collator
    if not aspect_ratio_grouping:
        return DataLoader(
            dataset, batch_size=batch_size, drop_last=drop_last, collate_fn=collate_fn, **kwargs
        )
    # Workers hand over single items; batches form in this process.
    items = DataLoader(dataset, collate_fn=operator.itemgetter(0), **kwargs)
    batches = AspectRatioGroupedDataset(items, batch_size)
    return batches if collate_fn is trivial_batch_collator else MapDataset(batches, collate_fn)


def _train_loader_from_config(
    cfg: CfgNode,
    mapper: Callable[[dict], dict] | None = None,
    *,
    dataset: list | data.Dataset | None = None,
    sampler: Sampler | None = None,
) -> dict:
    if dataset is None:
        dataset = get_detection_dataset_dicts(
            cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
        )
    if sampler is None and not isinstance(dataset, data.IterableDataset):
        sampler = _build_train_sampler(cfg, dataset)
    return {
        "dataset": dataset,
        "sampler": sampler,
        "mapper": DatasetMapper(cfg, True) if mapper is None else mapper,
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": cfg.DATALOADER.ASPECT_RATIO_GROUPING,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }


def _build_train_sampler(cfg: CfgNode, dataset: list) -> Sampler:
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name == "TrainingSampler":
        return TrainingSampler(len(dataset))
    if name == "RepeatFactorTrainingSampler":
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            dataset, cfg.DATALOADER.REPEAT_THRESHOLD, sqrt=cfg.DATALOADER.REPEAT_SQRT
        )
        return RepeatFactorTrainingSampler(factors)
    raise ValueError(
        f"unknown DATALOADER.SAMPLER_TRAIN {name!r}; choose TrainingSampler or "
        "RepeatFactorTrainingSampler"
    )


@configurable(from_config=_train_loader_from_config)
def build_detection_train_loader(
    dataset: list | data.Dataset,
    *,
    mapper: Callable[[dict], dict] | None,
    sampler: Sampler | None = None,
    total_batch_size: int,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    collate_fn: Callable[[list], Any] | None = None,
    **kwargs: Any,
) -> data.IterableDataset | DataLoader:
    """Returns an endless iterable over batches of mapped records.

    Also callable as build_detection_train_loader(cfg, mapper=...).

    Args:
        dataset: a list of records or a dataset.
        mapper: record -> input of the model (None where the record is unusable); None for no
            mapping.
        sampler: of indices; None for a shuffled TrainingSampler.
        total_batch_size: over all processes.
        aspect_ratio_grouping, num_workers, collate_fn, kwargs: see build_batch_data_loader.
    """
    dataset = _mapped_dataset(dataset, mapper)
    if sampler is None and not isinstance(dataset, data.IterableDataset):
        sampler = TrainingSampler(len(dataset))
    return build_batch_data_loader(
        dataset,
        sampler,
        total_batch_size,
        aspect_ratio_grouping=aspect_ratio_grouping,
        num_workers=num_workers,
        collate_fn=collate_fn,
        **kwargs,
    )


def _test_loader_from_config(
    cfg: CfgNode,
    dataset_name: str | Sequence[str],
    mapper: Callable[[dict], dict] | None = None,
) -> dict:
    return {
        "dataset": get_detection_dataset_dicts(dataset_name, filter_empty=False),
        "mapper": DatasetMapper(cfg, False) if mapper is None else mapper,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }


@configurable(from_config=_test_loader_from_config)
def build_detection_test_loader(
    dataset: list | data.Dataset,
    *,
    mapper: Callable[[dict], dict] | None,
    sampler: Sampler | None = None,
    batch_size: int = 1,
    num_workers: int = 0,
    collate_fn: Callable[[list], Any] | None = None,
) -> DataLoader:
    """Returns a loader that gives every mapped record once over all processes.

    Also callable as build_detection_test_loader(cfg, dataset_name, mapper=...).

    Args:
        dataset: a list of records or a dataset.
        mapper: record -> input of the model; None for no mapping.
        sampler: of indices; None for an InferenceSampler.
        batch_size: images per batch of this process.
        num_workers: processes that load data.
        collate_fn: list of items -> batch; None keeps the list.
    """
    dataset = _mapped_dataset(dataset, mapper)
    if sampler is None and not isinstance(dataset, data.IterableDataset):
        sampler = InferenceSampler(len(dataset))
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate_fn or trivial_batch_collator,
    )


def _mapped_dataset(dataset: list | data.Dataset, mapper: Callable | None) -> data.Dataset:
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset, copy=False)
    return dataset if mapper is None else MapDataset(dataset, mapper)


def trivial_batch_collator(batch: list) -> list:
    """Returns the list as it is."""
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    """Seeds all random number generators of a worker process.

    Each worker has its own seed, so no two of them draw the same augmentations.
    """
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)
