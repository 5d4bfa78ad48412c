"""One record per training dataset, out of the parallel lists of a recipe."""

from pathlib import Path

import pytest

from detic.annotation import AnnotationKind
from detic.errors import InputError
from detic.loading.train_source import TrainSources, weighs_datasets
from detic.recipes import default_config, load_recipe

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def test_parallel_lists_become_one_record_per_dataset(joint_cfg):
    boxes, labels = TrainSources.from_config(joint_cfg, world_size=1).entries
    assert (boxes.kind, boxes.ratio, boxes.batch_size) == (AnnotationKind.BOX, 1, 2)
    assert (labels.kind, labels.ratio, labels.batch_size) == (AnnotationKind.IMAGE, 4, 3)
    assert (labels.input_size, labels.input_scale) == (32, (0.5, 1.5))
    assert (boxes.use_repeat_factors, labels.use_repeat_factors) == (True, False)


def test_a_comma_joins_datasets_to_one_source(cfg):
    cfg.DATASETS.TRAIN = ("lvis_v1_train+coco, b",)
    (source,) = TrainSources.from_config(cfg, world_size=1).entries
    assert source.datasets == ("lvis_v1_train+coco", "b")


def test_one_stream_of_boxes_needs_no_lists(cfg):
    cfg.DATASETS.TRAIN = ("a", "b", "c")
    sources = TrainSources.from_config(cfg, world_size=2).entries
    assert [s.kind for s in sources] == [AnnotationKind.BOX] * 3
    assert {(s.batch_size, s.input_size, s.min_sizes) for s in sources} == {(1, 64, (800,))}


def test_sizes_of_the_resize_in_use_are_read(joint_cfg):
    joint_cfg.INPUT.CUSTOM_AUG = "ResizeShortestEdge"
    joint_cfg.DATALOADER.DATASET_INPUT_SIZE = []
    sources = TrainSources.from_config(joint_cfg, world_size=1).entries
    assert [s.min_sizes for s in sources] == [(640, 800), (320, 400)]
    assert [s.max_size for s in sources] == [1333, 667]


def test_a_list_has_an_entry_per_dataset(joint_cfg):
    joint_cfg.DATALOADER.DATASET_BS = [8]
    message = r"DATASET_BS has 1 entries, DATASETS.TRAIN has 2: there is none for 'labels'"
    with pytest.raises(InputError, match=message):
        TrainSources.from_config(joint_cfg, world_size=1)


def test_loss_weights_are_one_per_dataset(joint_cfg):
    joint_cfg.MODEL.DATASET_LOSS_WEIGHT = [1.0]
    message = r"MODEL\.DATASET_LOSS_WEIGHT has 1 entries, DATASETS\.TRAIN has 2"
    with pytest.raises(InputError, match=message):
        TrainSources.from_config(joint_cfg, world_size=1)


def test_all_lists_may_be_longer_alike_as_those_of_a_base(joint_cfg, pets):
    joint_cfg.DATASETS.TRAIN = (pets,)
    (source,) = TrainSources.from_config(joint_cfg, world_size=1).entries
    assert (source.ratio, source.batch_size) == (1, 2)


def test_lists_that_were_left_as_they_are_may_be_longer(joint_cfg, pets):
    joint_cfg.DATASETS.TRAIN = (pets,)
    usual = default_config().DATALOADER
    for key in ("DATASET_RATIO", "USE_RFS", "DATASET_ANN", "DATASET_BS", "DATASET_INPUT_SIZE"):
        joint_cfg.DATALOADER[key] = usual[key]
    (source,) = TrainSources.from_config(joint_cfg, world_size=1).entries
    assert (source.ratio, source.batch_size) == (1, 8)


def test_images_are_shared_equally_by_all_processes(cfg):
    with pytest.raises(
        InputError, match=r"SOLVER\.IMS_PER_BATCH is 2, to be shared by 3 processes"
    ):
        TrainSources.from_config(cfg, world_size=3)


def test_no_training_set_is_an_error(cfg):
    cfg.DATASETS.TRAIN = ()
    with pytest.raises(InputError, match=r"DATASETS\.TRAIN is empty"):
        TrainSources.from_config(cfg, world_size=1)


def test_every_name_with_multi_dataset_weighs_datasets(cfg):
    cfg.DATALOADER.SAMPLER_TRAIN = "MyMultiDatasetSampler"
    assert TrainSources.from_config(cfg, world_size=1).are_weighed


def test_an_unknown_sampler_gives_the_choices():
    with pytest.raises(InputError, match="SAMPLER_TRAIN: unknown sampler 'RandomSampler'; choose"):
        weighs_datasets("RandomSampler")


def test_the_sources_of_the_vild_recipe():
    boxes, labels = TrainSources.from_config(
        load_recipe(CONFIGS / "Detic_ViLD_200e.yaml"), 32
    ).entries
    assert (boxes.batch_size, boxes.input_size, boxes.input_scale) == (8, 896, (0.1, 2.0))
    assert (labels.batch_size, labels.input_size, labels.input_scale) == (32, 448, (0.5, 1.5))
    assert (boxes.use_repeat_factors, labels.use_repeat_factors) == (True, False)
    (alone,) = TrainSources.from_config(load_recipe(CONFIGS / "BoxSup_ViLD_200e.yaml"), 32).entries
    assert (alone.batch_size, alone.input_size, alone.input_scale) == (8, 896, (0.1, 2.0))
