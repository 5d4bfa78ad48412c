"""Data loaders: records of the named datasets -> mapper -> sampler -> batches."""

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.utils.comm import get_world_size
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import log_first_n
from tabulate import tabulate
from torch.utils import data
from torch.utils.data import DataLoader, Sampler

from .catalog import DatasetCatalog, MetadataCatalog
from .common import AspectRatioGroupedDataset, DatasetFromList, MapDataset
from .dataset_mapper import DatasetMapper
from .detection_utils import check_metadata_consistency
from .samplers import (
    InferenceSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)

logger = logging.getLogger(__name__)


def filter_images_with_only_crowd_annotations(dataset_dicts: list[dict]) -> list[dict]:
    """Return the records that have an annotation which is no crowd."""
    kept = [d for d in dataset_dicts if any(a.get("iscrowd", 0) == 0 for a in d["annotations"])]
    num_removed = len(dataset_dicts) - len(kept)
    logger.info("left out %d images without usable annotations, %d remain", num_removed, len(kept))
    return kept


def filter_images_with_few_keypoints(
    dataset_dicts: list[dict], min_keypoints_per_image: int
) -> list[dict]:
    """Return the records whose annotations have at least that many visible keypoints together.

    Keypoints are flat lists x, y, v, ...; those with v > 0 are visible.
    """
    kept = [
        record
        for record in dataset_dicts
        if sum(
            int((np.array(a["keypoints"][2::3]) > 0).sum())
            for a in record["annotations"]
            if "keypoints" in a
        )
        >= min_keypoints_per_image
    ]
    num_removed = len(dataset_dicts) - len(kept)
    logger.info("left out %d images with too few keypoints, %d remain", num_removed, len(kept))
    return kept


def print_instances_class_histogram(dataset_dicts: list[dict], class_names: Sequence[str]) -> None:
    """Log how many annotations, apart from crowds, each class has; `category_id` is contiguous."""
    classes = [
        annotation["category_id"]
        for record in dataset_dicts
        for annotation in record["annotations"]
        if not annotation.get("iscrowd", 0)
    ]
    counts = np.bincount(np.array(classes, dtype=np.int64), minlength=len(class_names))
    if len(counts) > len(class_names):
        raise ValueError(f"an annotation has the class {len(counts) - 1} of {len(class_names)}")
    rows = [(name, int(count)) for name, count in zip(class_names, counts, strict=True)]
    table = tabulate([*rows, ("all", len(classes))], headers=("class", "annotations"))
    log_first_n(logging.INFO, "Annotations of each class:\n" + table, key="message")


def get_detection_dataset_dicts(
    names: str | Sequence[str],
    filter_empty: bool = True,
    min_keypoints: int = 0,
    proposal_files: Sequence[str] | None = None,
    check_consistency: bool = True,
) -> list[dict]:
    """Return the records of one or more datasets, one after the other.

    Args:
        names: of registered datasets.
        filter_empty: leave out images without annotations or with crowd annotations only.
        min_keypoints: leave out images with fewer visible keypoints.
        proposal_files: must be None, there are no precomputed proposals.
        check_consistency: refuse datasets that have not the same classes.
    """
    if proposal_files is not None:
        raise ValueError(
            "precomputed proposals (proposal_files) are not part of this distribution; leave them "
            "out or install upstream detectron2"
        )
    names = [names] if isinstance(names, str) else list(names)
    records = list(itertools.chain.from_iterable(DatasetCatalog.get(name) for name in names))
    if records and "annotations" in records[0]:
        if filter_empty:
            records = filter_images_with_only_crowd_annotations(records)
        if min_keypoints > 0:
            records = filter_images_with_few_keypoints(records, min_keypoints)
        if check_consistency and MetadataCatalog.get(names[0]).get("thing_classes") is not None:
            check_metadata_consistency("thing_classes", names)
    if not records:
        raise ValueError(f"the datasets {names} have no images with annotations to train on")
    return records


def build_batch_data_loader(
    dataset: data.Dataset,
    sampler: Sampler,
    total_batch_size: int,
    *,
    aspect_ratio_grouping: bool = False,
    num_workers: int = 0,
    collate_fn: Callable[[list], Any] | None = None,
    drop_last: bool = True,
    single_gpu_batch_size: int | None = None,
    prefetch_factor: int = 2,
    persistent_workers: bool = False,
    pin_memory: bool = False,
    seed: int | None = None,
    **kwargs: Any,
) -> data.IterableDataset | DataLoader:
    """Return an iterable over the batches of this process.

    Args:
        dataset: an indexed dataset.
        sampler: of its indices.
        total_batch_size: over all processes, which have equal shares.
        aspect_ratio_grouping: batches hold only wide or only high images. The items have `width`
            and `height`.
        collate_fn: list of items -> batch; None keeps the list.
        drop_last: drop an incomplete last batch (always so with grouping).
        single_gpu_batch_size: batch size of this process, in place of `total_batch_size`.
        prefetch_factor, persistent_workers, pin_memory: see `torch.utils.data.DataLoader`.
        seed: of the worker processes; None for a random one.
        kwargs: further arguments of the DataLoader.
    """
    if single_gpu_batch_size is not None:
        batch_size = single_gpu_batch_size
    else:
        batch_size = _share_of_this_process(total_batch_size)
    if num_workers > 0:
        kwargs.update(prefetch_factor=prefetch_factor, persistent_workers=persistent_workers)
    kwargs["pin_memory"] = pin_memory
    if seed is not None:
        kwargs["generator"] = torch.Generator().manual_seed(seed)
    kwargs.update(sampler=sampler, num_workers=num_workers, worker_init_fn=worker_init_reset_seed)
    if not aspect_ratio_grouping:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            drop_last=drop_last,
            collate_fn=collate_fn or trivial_batch_collator,
            **kwargs,
        )
    # Workers hand over single items; batches form in this process.
    items = DataLoader(dataset, batch_size=None, collate_fn=trivial_batch_collator, **kwargs)
    batches = AspectRatioGroupedDataset(items, batch_size)
    return batches if collate_fn is None else MapDataset(batches, collate_fn)


def _share_of_this_process(total_batch_size: int) -> int:
    world_size = get_world_size()
    if total_batch_size <= 0 or total_batch_size % world_size:
        raise ValueError(
            f"total batch size {total_batch_size} must be a positive multiple of the number of "
            f"processes, {world_size}; change SOLVER.IMS_PER_BATCH"
        )
    return total_batch_size // world_size


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
    return {
        "dataset": dataset,
        "sampler": _build_train_sampler(cfg, dataset) if sampler is None else sampler,
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
    """Return an endless iterable over batches of mapped records.

    Also callable as build_detection_train_loader(cfg, mapper=...).

    Args:
        mapper: record -> input of the model, or None where the record is unusable.
        sampler: of indices; None for a shuffled TrainingSampler.
        num_workers, collate_fn, kwargs: see build_batch_data_loader.
    """
    return build_batch_data_loader(
        _mapped_dataset(dataset, mapper),
        TrainingSampler(len(dataset)) if sampler is None else sampler,
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
    """Return a loader that gives every mapped record once over all processes.

    Also callable as build_detection_test_loader(cfg, dataset_name, mapper=...).

    Args:
        mapper: record -> input of the model.
        sampler: of indices; None for an InferenceSampler.
        batch_size: images per batch of this process.
        collate_fn: list of items -> batch; None keeps the list.
    """
    dataset = _mapped_dataset(dataset, mapper)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=InferenceSampler(len(dataset)) if sampler is None else sampler,
        num_workers=num_workers,
        collate_fn=collate_fn or trivial_batch_collator,
    )


def _mapped_dataset(dataset: list | data.Dataset, mapper: Callable | None) -> data.Dataset:
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset)
    return dataset if mapper is None else MapDataset(dataset, mapper)


def trivial_batch_collator(batch: list) -> list:
    """Return the list as it is."""
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    """Seed a worker process differently from all others, so that augmentations differ."""
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)
