"""The probe's calling conventions for samplers, batching, augmentation and the mapper."""

from itertools import chain

import torch

from tests.parity import ours
from tests.parity.units.mapping import build_detr_mapper
from tests.parity.units.sampling import batches, drawn_indices, mixture_weights

EfficientDetResizeCrop = ours.EfficientDetResizeCrop
repeat_factors_from_tag_frequency = ours.tag_repeat_factors
DetrDatasetMapper = build_detr_mapper


class MultiDatasetSampler:
    def __init__(
        self, dataset_dicts, dataset_ratio, use_rfs, dataset_ann, *, repeat_threshold, seed
    ):
        self.weights = mixture_weights(
            dataset_dicts, dataset_ratio, use_rfs, dataset_ann, repeat_threshold
        )
        self.seed = seed

    def __iter__(self):
        return map(torch.tensor, drawn_indices(self.weights, self.seed))


def DIFFMDAspectRatioGroupedDataset(stream, batch_sizes, num_datasets):
    return batches(stream, list(chain.from_iterable((size, size) for size in batch_sizes)))


def MDAspectRatioGroupedDataset(stream, batch_size, num_datasets):
    return batches(stream, [batch_size] * 2 * num_datasets)


def build_custom_augmentation(cfg, is_train):
    cfg = cfg.clone()
    if not is_train:
        cfg.INPUT.TEST_INPUT_TYPE = "square"
        return ours.build_test_augmentations(cfg)
    cfg.DATASETS.TRAIN = ("all",)
    cfg.DATALOADER.USE_DIFF_BS_SIZE = False
    return ours.build_train_augmentations(
        ours.AugmentationParams.from_config(cfg), ours.TrainSources.from_config(cfg, 1).entries[0]
    )


def CustomDatasetMapper(cfg=None, is_train=True, *, augmentations, **options):
    assert is_train
    return _of_options(**options) if cfg is None else _of_config(cfg)


def _of_options(
    with_ann_type,
    dataset_ann,
    use_diff_bs_size,
    dataset_augs,
    image_format,
    use_instance_mask=False,
):
    assert with_ann_type
    assert use_diff_bs_size
    return ours.TrainMapper(
        read_image=ours.ImageReader(image_format),
        augmentations=dataset_augs,
        kinds=list(map(ours.AnnotationKind, dataset_ann)),
        mask_format="polygon" if use_instance_mask else None,
    )


def _of_config(cfg):
    cfg = cfg.clone()
    cfg.DATASETS.TRAIN = tuple(f"source {i}" for i in range(len(cfg.DATALOADER.DATASET_ANN)))
    # How sources are drawn is no matter of the mapper, but kinds must not share a batch.
    cfg.DATALOADER.SAMPLER_TRAIN = "MultiDatasetSampler"
    cfg.DATALOADER.MULTI_DATASET_GROUPING = True
    return ours.build_train_mapper(
        ours.MapperParams.from_config(cfg), ours.TrainSources.from_config(cfg, 1).entries
    )
