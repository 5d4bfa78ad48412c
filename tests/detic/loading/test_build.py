"""Loaders as recipes describe them."""

import itertools

import pytest
import torch
from detectron2.data import DatasetCatalog, DatasetMapper, build_detection_train_loader
from detectron2.data.samplers import TrainingSampler

from detic.errors import InputError
from detic.loading.build import TestData, check_test_images
from detic.loading.image_reader import UnreadableImage
from tests.detic.recipe_loaders import loader_of_test_set, train_loader


def take(loader, count):
    return list(itertools.islice(loader, count))


def ids(batches):
    return [[example["image_id"] for example in batch] for batch in batches]


def test_batches_are_of_one_dataset_one_kind_and_one_orientation(joint_cfg):
    batches = take(train_loader(joint_cfg), 30)
    for batch in batches:
        source = batch[0]["dataset_source"]
        assert len(batch) == (2, 3)[source]
        assert {e["dataset_source"] for e in batch} == {source}
        assert {e["ann_type"] for e in batch} == {("box", "image")[source]}
        assert len({e["width"] > e["height"] for e in batch}) == 1
        assert max(batch[0]["image"].shape) <= (64, 32)[source]
    num_images = [sum(len(b) for b in batches if b[0]["dataset_source"] == s) for s in (0, 1)]
    assert num_images[1] / num_images[0] == pytest.approx(4, rel=0.4)


def test_a_recipe_for_boxes_goes_through_the_same_loader(cfg, pets):
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.001
    batches = take(train_loader(cfg), 10)
    assert {len(batch) for batch in batches} == {2}
    assert "ann_type" not in batches[0][0]
    assert all(len(e["instances"]) <= 1 for batch in batches for e in batch)
    assert ids(batches) == ids(take(train_loader(cfg), 10))


def test_a_plain_recipe_sees_what_detectron2_s_loader_sees(cfg, pets):
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = False
    cfg.INPUT.CUSTOM_AUG = ""
    cfg.INPUT.MIN_SIZE_TRAIN = (20,)
    ours = train_loader(cfg)
    theirs = build_detection_train_loader(cfg, sampler=TrainingSampler(7, seed=cfg.SEED))
    for our_batch, their_batch in zip(take(ours, 5), take(theirs, 5), strict=True):
        for mine, other in zip(our_batch, their_batch, strict=True):
            assert mine["image_id"] == other["image_id"]
            assert mine["image"].shape == other["image"].shape
            assert set(other) <= set(mine)


def test_all_ranks_together_see_the_stream_of_one(joint_cfg):
    joint_cfg.DATALOADER.MULTI_DATASET_GROUPING = True
    ranks = [ids(take(train_loader(joint_cfg, rank, 4), 3)) for rank in range(4)]
    accumulated = ids(take(train_loader(joint_cfg, 0, 1, accumulate=4), 12))
    assert accumulated == [batch for step in zip(*ranks, strict=True) for batch in step]
    pair = ids(take(train_loader(joint_cfg, 1, 2, accumulate=2), 6))
    assert pair == [batch for step in zip(*ranks[2:], strict=True) for batch in step]


def test_the_total_batch_is_shared_by_ranks_and_accumulation(cfg, pets):
    cfg.SOLVER.IMS_PER_BATCH = 8
    (batch,) = take(train_loader(cfg, 0, 2, accumulate=2), 1)
    assert len(batch) == 2


def test_the_seed_decides(joint_cfg):
    first = ids(take(train_loader(joint_cfg), 6))
    assert first == ids(take(train_loader(joint_cfg, seed=joint_cfg.SEED), 6))
    assert first != ids(take(train_loader(joint_cfg, seed=7), 6))


def test_kinds_must_not_share_batches(joint_cfg):
    joint_cfg.DATALOADER.MULTI_DATASET_GROUPING = False
    with pytest.raises(InputError, match=r"set DATALOADER\.MULTI_DATASET_GROUPING to True"):
        train_loader(joint_cfg)


def test_without_grouping_all_datasets_share_batches(joint_cfg):
    joint_cfg.DATALOADER.MULTI_DATASET_GROUPING = False
    joint_cfg.DATALOADER.DATASET_ANN = ["image", "image"]
    joint_cfg.SOLVER.IMS_PER_BATCH = 5
    batches = take(train_loader(joint_cfg), 10)
    assert {len(batch) for batch in batches} == {5}
    assert any(len({e["dataset_source"] for e in batch}) == 2 for batch in batches)


def test_unreadable_images_are_left_out_until_they_are_too_many(cfg, pets, box_records):
    box_records[2]["file_name"] = "missing.png"
    cfg.DATALOADER.MAX_BAD_FRACTION = 0.5
    loader = train_loader(cfg)
    batches = take(loader, 30)
    assert sum(map(len, batches)) == 60 - loader.unreadable.num_unreadable
    assert set(loader.unreadable.reasons) == {"missing.png"}
    cfg.DATALOADER.MAX_BAD_FRACTION = 0.01
    with pytest.raises(InputError, match=r"missing\.png \(FileNotFoundError"):
        take(train_loader(cfg), 300)


def test_test_images_come_once_and_whole(cfg, pets):
    cfg.INPUT.MIN_SIZE_TEST = 20
    batches = list(loader_of_test_set(cfg, pets))
    assert ids(batches) == [[i] for i in range(7)]
    assert batches[0][0]["image"].shape == (3, 20, 30)
    assert (batches[0][0]["height"], batches[0][0]["width"]) == (40, 60)
    assert "instances" not in batches[0][0]


def test_test_images_are_those_of_detectron2_s_mapper(cfg, pets):
    theirs = DatasetMapper(cfg, is_train=False)
    for (ours,), record in zip(
        loader_of_test_set(cfg, pets), DatasetCatalog.get(pets), strict=True
    ):
        expected = theirs(record)
        assert torch.equal(ours.pop("image"), expected.pop("image"))
        assert ours == expected


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_test_image_that_cannot_be_read_is_handed_on_as_such(cfg, pets, box_records, num_workers):
    cfg.DATALOADER.NUM_WORKERS = num_workers
    box_records[2]["file_name"] = "missing.png"
    box_records[3]["height"] += 1
    items = [item for (item,) in loader_of_test_set(cfg, pets)]
    assert [isinstance(item, UnreadableImage) for item in items] == [
        False,
        False,
        True,
        True,
    ] + 3 * [False]
    assert str(items[2]).startswith("missing.png: FileNotFoundError")
    assert "SizeMismatchError" in str(items[3])


def test_missing_test_images_are_found_before_anything_is_computed(cfg, pets, box_records):
    data = TestData.from_config(cfg)
    check_test_images(data, pets)
    box_records[2]["file_name"] = "missing.png"
    with pytest.raises(InputError, match=r"1 of 7 images .* allows: missing\.png \(FileNotFound"):
        check_test_images(data, pets)
    cfg.DATALOADER.MAX_BAD_FRACTION = 0.2
    check_test_images(TestData.from_config(cfg), pets)
    del box_records[2]["file_name"]
    with pytest.raises(InputError, match="has neither file_name nor shard nor tar_index"):
        check_test_images(data, pets)


def test_test_batches_can_be_larger_and_skip_images(cfg, pets):
    loader = loader_of_test_set(cfg, pets, batch_size=3, skip_image_ids=[1, 4])
    assert ids(loader) == [[0, 2, 3], [5, 6]]
    assert list(loader_of_test_set(cfg, pets, skip_image_ids=range(7))) == []


def test_test_images_can_fit_a_square(cfg, pets):
    cfg.INPUT.TEST_INPUT_TYPE = "square"
    cfg.INPUT.TEST_SIZE = 30
    assert next(iter(loader_of_test_set(cfg, pets)))[0]["image"].shape == (3, 20, 30)
