"""Loaders for training and for testing, as recipes describe them."""

import ctypes
import gc
from collections.abc import Callable, Collection
from itertools import chain

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import build_detection_test_loader
from detectron2.utils import comm
from torch.utils.data import DataLoader

from detic.datasets.own_data import check_class_order, register_own_data
from detic.errors import InputError
from detic.loading.augmentation import build_test_augmentations
from detic.loading.batching import BatchLayout, PlannerFactory, source_and_shape_buckets
from detic.loading.image_reader import ImageReader
from detic.loading.loader import TrainLoader
from detic.loading.mapper import EvaluationMapper, build_train_mapper
from detic.loading.records import PackedRecords, keep_all_masks_or_none
from detic.loading.sampling import DrawEpoch, repeated_draw, shuffled_draw, weighted_draw
from detic.loading.shared_arrays import SharedArrays
from detic.loading.train_source import (
    TrainSource,
    images_per_process,
    train_sources,
    weighs_datasets,
)
from detic.loading.training_data import (
    DrawParams,
    build_training_arrays,
    load_dataset,
    load_source,
    shared_by_machine,
)
from detic.loading.unreadable import UnreadableImages
from detic.loading.workers import WorkerParams


def build_train_loader(
    cfg: CfgNode,
    rank: int | None = None,
    world_size: int | None = None,
    accumulate: int = 1,
    seed: int | None = None,
) -> TrainLoader:
    """Return the endless loader of training batches of one process.

    With ``accumulate=k`` the process plays k ranks of a world k times as large, in turn, and yields
    the very batches that k processes would get. ``SOLVER.IMS_PER_BATCH`` is the total over that
    world.

    Args:
        cfg: a whole configuration.
        rank: of this process; by default that of the running job.
        world_size: number of processes; by default that of the running job.
        accumulate: ranks that each process plays.
        seed: decides everything that is random, the same in all processes; by default ``SEED``, and
            if that is negative one that all processes draw together.

    Raises:
        InputError: the recipe or the data do not fit.
    """
    rank = comm.get_rank() if rank is None else rank
    world_size = accumulate * (comm.get_world_size() if world_size is None else world_size)
    seed = cfg.SEED if seed is None else seed
    seed = comm.shared_random_seed() if seed < 0 else seed
    register_own_data(cfg)
    sources = train_sources(cfg, world_size)
    check_class_order(cfg, [name for source in sources for name in source.datasets])
    _check_batches(cfg, sources)
    mapper = build_train_mapper(cfg, sources)
    arrays = shared_by_machine(
        lambda: _training_arrays(cfg, sources, mapper.read_image.check_place)
    )
    _return_free_memory()
    return TrainLoader(
        records=PackedRecords(arrays),
        mapper=mapper,
        planners=PlannerFactory(
            _layout(cfg, sources, arrays, world_size), _draw(cfg, arrays), world_size
        ),
        ranks=range(rank * accumulate, (rank + 1) * accumulate),
        seed=seed,
        workers=WorkerParams(
            cfg.DATALOADER.NUM_WORKERS, cfg.DATALOADER.START_METHOD, cfg.DATALOADER.PREFETCH
        ),
        unreadable=UnreadableImages(cfg.DATALOADER.MAX_BAD_FRACTION),
    )


def build_test_loader(
    cfg: CfgNode,
    dataset_name: str,
    *,
    batch_size: int = 1,
    skip_image_ids: Collection[int | str] = (),
) -> DataLoader:
    """Return a loader that gives every image of a test set once over all processes.

    Args:
        cfg: a whole configuration.
        dataset_name: of a registered dataset.
        batch_size: images per batch of this process.
        skip_image_ids: images to leave out, as those that are evaluated already.

    Raises:
        InputError: the dataset cannot be loaded.
    """
    skipped = set(skip_image_ids)
    records = [record for record in load_dataset(dataset_name) if record["image_id"] not in skipped]
    if not records:  # which detectron2's sampler does not accept
        return DataLoader([], batch_size=batch_size)
    mapper = EvaluationMapper(ImageReader(cfg.INPUT.FORMAT), build_test_augmentations(cfg))
    return build_detection_test_loader(
        records, mapper=mapper, batch_size=batch_size, num_workers=cfg.DATALOADER.NUM_WORKERS
    )


def _return_free_memory() -> None:
    """Give the memory of the records, which are packed now, back to the system.

    The GNU C library keeps it otherwise: one gigabyte after loading LVIS.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _check_batches(cfg: CfgNode, sources: tuple[TrainSource, ...]) -> None:
    """Check that no batch mixes kinds of annotation."""
    kinds = {source.kind for source in sources}
    if len(kinds) > 1 and not _has_batches_of_one_source(cfg):
        raise InputError(
            "DATALOADER.DATASET_ANN has different kinds, which must not share a batch; set "
            "DATALOADER.MULTI_DATASET_GROUPING to True with a MultiDatasetSampler"
        )


def _has_batches_of_one_source(cfg: CfgNode) -> bool:
    return weighs_datasets(cfg) and cfg.DATALOADER.MULTI_DATASET_GROUPING


def _training_arrays(
    cfg: CfgNode, sources: tuple[TrainSource, ...], check_place: Callable[[dict], None]
) -> SharedArrays:
    records_of = [
        load_source(
            source,
            drop_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS,
            num_classes=cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            check_place=check_place,
        )
        for source in sources
    ]
    if sources[0].kind.has_box_classes and not _has_batches_of_one_source(cfg):
        keep_all_masks_or_none(list(chain(*records_of)), "DATASETS.TRAIN")
    params = DrawParams(
        weigh_datasets=weighs_datasets(cfg),
        repeat_threshold=cfg.DATALOADER.REPEAT_THRESHOLD,
        repeat_sqrt=cfg.DATALOADER.REPEAT_SQRT,
    )
    return build_training_arrays(sources, records_of, params)


def _draw(cfg: CfgNode, arrays: SharedArrays) -> DrawEpoch:
    if "draw_weights" not in arrays:
        return shuffled_draw(len(arrays["sources"]))
    weights = torch.from_numpy(arrays["draw_weights"].copy())
    return weighted_draw(weights) if weighs_datasets(cfg) else repeated_draw(weights)


def _layout(
    cfg: CfgNode, sources: tuple[TrainSource, ...], arrays: SharedArrays, world_size: int
) -> BatchLayout:
    """Return which images share batches: of one source, or of all, by orientation or not."""
    of_image = arrays["sources"]
    batch_sizes = [source.batch_size for source in sources]
    if not _has_batches_of_one_source(cfg):
        of_image = np.zeros_like(of_image)
        batch_sizes = [images_per_process(cfg, world_size)]
        if not cfg.DATALOADER.ASPECT_RATIO_GROUPING:
            return BatchLayout(of_image, tuple(batch_sizes))
    buckets = source_and_shape_buckets(of_image, arrays["is_wide"])
    return BatchLayout(buckets, tuple(np.repeat(batch_sizes, 2).tolist()))
