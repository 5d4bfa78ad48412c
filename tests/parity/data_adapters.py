"""The probe's calling conventions for samplers, batching, augmentation and the mapper."""

from itertools import chain

import numpy as np
import torch

from detic.annotation import AnnotationKind
from detic.loading import augmentation
from detic.loading.batching import Buckets, source_and_shape_buckets
from detic.loading.index_stream import Epoch, StrideReader
from detic.loading.mapper import MapperParams, build_train_mapper
from detic.loading.sampling import (
    dataset_weights,
    repeat_factors,
    tag_repeat_factors,
    weighted_draw,
)
from detic.loading.train_source import TrainSources

EfficientDetResizeCrop = augmentation.EfficientDetResizeCrop
repeat_factors_from_tag_frequency = tag_repeat_factors


class MultiDatasetSampler:
    def __init__(
        self, dataset_dicts, dataset_ratio, use_rfs, dataset_ann, *, repeat_threshold, seed
    ):
        parts = [
            [d for d in dataset_dicts if d["dataset_source"] == source]
            for source in range(len(dataset_ratio))
        ]
        factors = [
            repeat_factors(part, AnnotationKind(kind), repeat_threshold) if use else None
            for part, use, kind in zip(parts, use_rfs, dataset_ann, strict=True)
        ]
        self.weights = dataset_weights([len(part) for part in parts], dataset_ratio, factors)
        self.seed = seed

    def __iter__(self):
        first = Epoch.first(weighted_draw(self.weights), self.seed)
        return (torch.tensor(element.index) for element in StrideReader(first, 0, 1))


def _batches(stream, capacities):
    buckets = Buckets(capacities)
    for record in stream:
        is_wide = record["width"] > record["height"]
        bucket = source_and_shape_buckets(np.array(record["dataset_source"]), np.array(is_wide))
        batch = buckets.add(int(bucket), record)
        if batch is not None:
            yield batch


def DIFFMDAspectRatioGroupedDataset(stream, batch_sizes, num_datasets):
    capacities = list(chain.from_iterable((size, size) for size in batch_sizes))
    return _batches(stream, capacities)


def MDAspectRatioGroupedDataset(stream, batch_size, num_datasets):
    return _batches(stream, [batch_size] * 2 * num_datasets)


def build_custom_augmentation(cfg, is_train):
    cfg = cfg.clone()
    if not is_train:
        cfg.INPUT.TEST_INPUT_TYPE = "square"
        return augmentation.build_test_augmentations(cfg)
    cfg.DATASETS.TRAIN = ("all",)
    cfg.DATALOADER.USE_DIFF_BS_SIZE = False
    return augmentation.build_train_augmentations(
        augmentation.AugmentationParams.from_config(cfg),
        TrainSources.from_config(cfg, 1).entries[0],
    )


def CustomDatasetMapper(cfg, is_train, augmentations):
    assert is_train
    cfg = cfg.clone()
    cfg.DATASETS.TRAIN = tuple(f"source {i}" for i in range(len(cfg.DATALOADER.DATASET_ANN)))
    return build_train_mapper(
        MapperParams.from_config(cfg), TrainSources.from_config(cfg, 1).entries
    )
