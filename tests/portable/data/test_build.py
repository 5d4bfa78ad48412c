"""Records of datasets, and the loaders made of them."""

import itertools

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import (
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
    print_instances_class_histogram,
)
from detectron2.data.build import (
    filter_images_with_few_keypoints,
    filter_images_with_only_crowd_annotations,
    worker_init_reset_seed,
)
from detectron2.data.samplers import RepeatFactorTrainingSampler
from detectron2.structures import BoxMode


def record(i, classes=(0,), width=3, height=2, **values):
    annotations = [
        {"category_id": c, "bbox": [0, 0, 9, 9], "bbox_mode": BoxMode.XYWH_ABS} for c in classes
    ]
    return {"id": i, "width": width, "height": height, "annotations": annotations} | values


@pytest.fixture
def pets(catalogs, image_file):
    """A registered dataset of five images, the fourth of them without annotations."""
    dicts = [
        record(i, [] if i == 3 else [i % 2], width=60, height=40, file_name=image_file)
        for i in range(5)
    ]
    catalogs[0].register("pets", lambda: dicts)
    catalogs[1].get("pets").thing_classes = ["cat", "dog"]
    return dicts


@pytest.fixture
def cfg():
    cfg = get_cfg()
    cfg.DATASETS.TRAIN = ("pets",)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.INPUT.MIN_SIZE_TRAIN = cfg.INPUT.MIN_SIZE_TEST = 20
    return cfg


def ids(batches):
    return [[item["id"] for item in batch] for batch in batches]


def identity(item):
    return item


def test_images_with_nothing_but_crowds_are_left_out():
    crowd = record(2)
    crowd["annotations"][0]["iscrowd"] = 1
    dicts = [record(0), record(1, classes=[]), crowd]
    assert filter_images_with_only_crowd_annotations(dicts) == dicts[:1]


def test_datasets_are_joined_and_filtered(pets):
    assert [d["id"] for d in get_detection_dataset_dicts("pets")] == [0, 1, 2, 4]
    assert len(get_detection_dataset_dicts(["pets", "pets"], filter_empty=False)) == 10


def test_datasets_that_cannot_be_joined_are_named(pets, catalogs):
    datasets, metadata = catalogs
    datasets.register("birds", lambda: [record(0)])
    metadata.get("birds").thing_classes = ["owl"]
    with pytest.raises(ValueError, match="'pets' and 'birds' have different 'thing_classes'"):
        get_detection_dataset_dicts(["pets", "birds"])
    assert len(get_detection_dataset_dicts(["pets", "birds"], check_consistency=False)) == 5
    datasets.register("unlabelled", lambda: [record(0, classes=[])])
    with pytest.raises(ValueError, match=r"\['unlabelled'\] have no images with annotations"):
        get_detection_dataset_dicts("unlabelled")


def test_train_batches_are_endless_and_grouped_by_shape():
    dicts = [record(i, width=3 if i % 2 else 1) for i in range(6)]
    loader = build_detection_train_loader(dicts, mapper=identity, total_batch_size=2)
    for batch in itertools.islice(loader, 10):
        assert len(batch) == 2
        assert len({item["width"] for item in batch}) == 1


def test_ungrouped_train_batches_follow_the_sampler():
    loader = build_detection_train_loader(
        [record(i) for i in range(6)],
        mapper=None,
        sampler=[4, 2, 0, 1, 3],
        total_batch_size=2,
        aspect_ratio_grouping=False,
    )
    assert ids(loader) == [[4, 2], [0, 1]]


@pytest.mark.parametrize("grouping", [True, False])
def test_a_collate_function_sees_whole_batches(grouping):
    loader = build_detection_train_loader(
        [record(i) for i in range(3)],
        mapper=identity,
        sampler=[2, 0],
        total_batch_size=2,
        aspect_ratio_grouping=grouping,
        collate_fn=lambda items: tuple(item["id"] for item in items),
    )
    assert list(loader) == [(2, 0)]


def test_test_batches_hold_every_record_once():
    dicts = [record(i) for i in range(5)]
    assert ids(build_detection_test_loader(dicts, mapper=identity)) == [[i] for i in range(5)]
    loader = build_detection_test_loader(dicts, mapper=identity, batch_size=2)
    assert ids(loader) == [[0, 1], [2, 3], [4]]


def test_loaders_of_a_config(pets, cfg):
    batch = next(iter(build_detection_train_loader(cfg)))
    assert len(batch) == 2
    assert all(item["image"].shape == (3, 20, 30) and len(item["instances"]) for item in batch)
    tests = list(build_detection_test_loader(cfg, "pets"))
    assert ids(tests) == [[i] for i in range(5)]
    assert tests[0][0]["image"].shape == (3, 20, 30)


def test_arguments_override_a_config(pets, cfg):
    loader = build_detection_train_loader(cfg, mapper=identity, total_batch_size=3)
    assert [item["id"] in (0, 1, 2, 4) for item in next(iter(loader))] == [True] * 3


def test_samplers_of_a_config(pets, cfg):
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.5
    kwargs = build_detection_train_loader.from_config(cfg)
    assert isinstance(kwargs["sampler"], RepeatFactorTrainingSampler)
    cfg.DATALOADER.SAMPLER_TRAIN = "MagicSampler"
    with pytest.raises(
        ValueError, match=r"unknown DATALOADER.SAMPLER_TRAIN 'MagicSampler'; choose"
    ):
        build_detection_train_loader(cfg)


@pytest.mark.parametrize("total", [0, 3])
def test_a_batch_must_divide_among_processes(total, monkeypatch):
    monkeypatch.setattr("detectron2.data.build.get_world_size", lambda: 2)
    with pytest.raises(ValueError, match=f"total batch size {total} must be a positive multiple"):
        build_batch_data_loader([1], [0], total)


def test_workers_draw_different_numbers_but_the_same_in_every_run():
    def draw(_):
        return torch.rand(1).item()

    def run(seed):
        loader = build_detection_train_loader(
            [record(i) for i in range(4)],
            mapper=draw,
            sampler=range(4),
            total_batch_size=1,
            aspect_ratio_grouping=False,
            num_workers=2,
            seed=seed,
        )
        return [batch[0] for batch in loader]

    first = run(1)
    assert len(set(first)) == 4
    assert first == run(1)
    assert first != run(2)


def test_a_worker_seed_depends_on_its_number():
    draws = []
    state = torch.get_rng_state()
    for worker in (0, 1):
        torch.manual_seed(5)
        worker_init_reset_seed(worker)
        draws.append(torch.rand(1).item())
    torch.set_rng_state(state)
    assert draws[0] != draws[1]


def test_images_with_few_visible_keypoints_are_left_out():
    def person(*visible):
        return {"keypoints": [x for v in visible for x in (1, 1, v)]}

    dicts = [
        {"annotations": [person(0, 2), person(1)]},
        {"annotations": [person(0, 2), {}]},
        {"annotations": []},
    ]
    assert filter_images_with_few_keypoints(dicts, 2) == dicts[:1]
    assert filter_images_with_few_keypoints(dicts, 1) == dicts[:2]


def test_precomputed_proposals_are_refused(pets):
    with pytest.raises(ValueError, match=r"precomputed proposals \(proposal_files\) are not part"):
        get_detection_dataset_dicts("pets", proposal_files=["boxes.pkl"])


def test_histogram_counts_annotations(pets, caplog):
    with caplog.at_level("INFO"):
        print_instances_class_histogram(pets, ["cat", "dog"])
    rows = [line.split() for line in caplog.records[-1].message.splitlines()]
    assert ["cat", "3"] in rows
    assert ["dog", "1"] in rows
    with pytest.raises(ValueError, match="has the class 1 of 1"):
        print_instances_class_histogram(pets, ["cat"])


def test_a_batch_size_of_one_process_wins():
    loader = build_batch_data_loader(
        list(range(6)), range(6), 100, single_gpu_batch_size=2, num_workers=1, prefetch_factor=1
    )
    assert list(loader) == [[0, 1], [2, 3], [4, 5]]
    assert loader.prefetch_factor == 1
