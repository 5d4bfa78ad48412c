"""Loaders for training and for testing, as recipes describe them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.data import build_detection_test_loader
from detectron2.data import transforms as T
from torch.utils.data import DataLoader

from detic.datasets.image_records import JoinedRecords, fill_missing_masks
from detic.datasets.own_data import check_class_order
from detic.freed_memory import return_freed_memory
from detic.loading.augmentation import build_test_augmentations
from detic.loading.batching import BatchLayout, PlannerFactory, source_and_shape_buckets
from detic.loading.image_reader import ImageReader
from detic.loading.image_search import missing_images
from detic.loading.loader import TrainLoader
from detic.loading.mapper import EvaluationMapper, MapperParams, build_train_mapper
from detic.loading.sampling import DrawEpoch, repeated_draw, shuffled_draw, weighted_draw
from detic.loading.train_source import TrainSources
from detic.loading.training_data import (
    DrawParams,
    TrainingImages,
    build_training_images,
    load_dataset,
    load_source,
    shared_by_machine,
)
from detic.loading.unreadable import UnreadableImages
from detic.loading.workers import WorkerParams
from detic.shared_arrays import SharedArrays
from detic.vocabulary.model_classes import ModelClasses


@dataclass(frozen=True)
class TrainData:
    """What a training loader is made of; no file is open yet."""

    sources: TrainSources
    classes: ModelClasses
    mapper: MapperParams
    draw: DrawParams
    workers: WorkerParams
    drop_empty: bool = True  # leave out images without boxes, in sources that have boxes
    max_bad_fraction: float = 0.01  # share of unreadable images that is tolerated

    @classmethod
    def from_config(cls, cfg, world_size: int) -> "TrainData":
        """Return the training data of a recipe.

        Args:
            cfg: a whole configuration.
            world_size: number of processes that share ``SOLVER.IMS_PER_BATCH``, those that
                accumulation stands for included.

        Raises:
            InputError: the recipe contradicts itself.
        """
        node = cfg.DATALOADER
        sources = TrainSources.from_config(cfg, world_size)
        return cls(
            sources=sources,
            classes=ModelClasses.from_config(cfg),
            mapper=MapperParams.from_config(cfg),
            draw=DrawParams(sources.are_weighed, node.REPEAT_THRESHOLD, node.REPEAT_SQRT),
            workers=WorkerParams(node.NUM_WORKERS, node.START_METHOD, node.PREFETCH),
            drop_empty=node.FILTER_EMPTY_ANNOTATIONS,
            max_bad_fraction=node.MAX_BAD_FRACTION,
        )


def build_train_loader(
    data: TrainData, *, ranks: Sequence[int], world_size: int, seed: int
) -> TrainLoader:
    """Return the endless loader of training batches of one process.

    A process that plays k ranks of a world k times as large yields the very batches that k
    processes would get, in turn.

    Args:
        data: registered datasets and what becomes of their images.
        ranks: those that this process plays; one, or as many as batches accumulate.
        world_size: number of all ranks.
        seed: decides everything that is random, the same in all processes.

    Raises:
        InputError: the data do not fit the model.
    """
    entries = data.sources.entries
    check_class_order(data.classes, data.sources.datasets)
    mapper = build_train_mapper(data.mapper, entries)
    images = shared_by_machine(lambda: _training_images(data, mapper.read_image.check_place))
    return_freed_memory()
    return TrainLoader(
        records=images.records,
        mapper=mapper,
        planners=PlannerFactory(
            _layout(data.sources, images.arrays), _draw(data.sources, images.arrays), world_size
        ),
        ranks=ranks,
        seed=seed,
        workers=data.workers,
        unreadable=UnreadableImages(data.max_bad_fraction),
    )


@dataclass(frozen=True)
class TestData:
    """How the images of test sets become inputs of the model."""

    augmentations: Sequence[T.Augmentation]
    image_format: str  # RGB or BGR
    num_workers: int = 0
    max_bad_fraction: float = 0.01  # share of unreadable images that is tolerated

    __test__ = False  # not a test case, whatever pytest thinks of the name

    @classmethod
    def from_config(cls, cfg) -> "TestData":
        augmentations = build_test_augmentations(cfg)
        node = cfg.DATALOADER
        return cls(augmentations, cfg.INPUT.FORMAT, node.NUM_WORKERS, node.MAX_BAD_FRACTION)


def build_test_loader(
    data: TestData,
    dataset_name: str,
    *,
    batch_size: int = 1,
    skip_image_ids: Collection[int | str] = (),
) -> DataLoader:
    """Return a loader that gives every image of a test set once over all processes.

    Among the inputs of a batch are an UnreadableImage for each image that cannot be read.

    Args:
        data: what becomes of the images.
        dataset_name: of a registered dataset.
        batch_size: images per batch of this process.
        skip_image_ids: images to leave out, as those that are evaluated already.

    Raises:
        InputError: the dataset cannot be loaded.
    """
    skipped = set(skip_image_ids)
    records = [record for record in load_dataset(dataset_name) if record["image_id"] not in skipped]
    if not records:  # which detectron2's sampler does not accept
        nothing: Any = []
        return DataLoader(nothing, batch_size=batch_size)
    mapper = EvaluationMapper(ImageReader(data.image_format), data.augmentations)
    return build_detection_test_loader(
        records, mapper=mapper, batch_size=batch_size, num_workers=data.num_workers
    )


def check_test_images(data: TestData, dataset_name: str) -> None:
    """Look, before anything is computed, whether the images of a test set are there.

    Raises:
        InputError: more images are missing than ``data`` tolerates, or a record does not say where
            its image is.
    """
    records = load_dataset(dataset_name)
    reader = ImageReader(data.image_format)
    for record in records:
        reader.check_place(record)
    missing = missing_images(records)
    unreadable = UnreadableImages(data.max_bad_fraction)
    unreadable.count(len(records), missing)
    unreadable.check()


def _training_images(data: TrainData, check_place: Callable[[dict], None]) -> TrainingImages:
    records_of = [
        load_source(
            source,
            drop_empty=data.drop_empty,
            num_classes=data.classes.count,
            check_place=check_place,
        )
        for source in data.sources.entries
    ]
    if data.sources.entries[0].kind.has_box_classes and data.sources.share_batches:
        records_of = fill_missing_masks(JoinedRecords(records_of), "DATASETS.TRAIN").parts
    return build_training_images(data.sources.entries, records_of, data.draw)


def _draw(sources: TrainSources, arrays: SharedArrays) -> DrawEpoch:
    if "draw_weights" not in arrays:
        return shuffled_draw(len(arrays["sources"]))
    weights = torch.from_numpy(arrays["draw_weights"].copy())
    return weighted_draw(weights) if sources.are_weighed else repeated_draw(weights)


def _layout(sources: TrainSources, arrays: SharedArrays) -> BatchLayout:
    """Return which images share batches: of one source, or of all, by orientation or not."""
    of_image = arrays["sources"]
    batch_sizes = [source.batch_size for source in sources.entries]
    if sources.share_batches:
        of_image = np.zeros_like(of_image)
        batch_sizes = [sources.images_per_batch]
    if not sources.group_by_shape:
        return BatchLayout(of_image, tuple(batch_sizes))
    buckets = source_and_shape_buckets(of_image, arrays["is_wide"])
    return BatchLayout(buckets, tuple(np.repeat(batch_sizes, 2).tolist()))
