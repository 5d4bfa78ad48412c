"""Loading all training images once per machine."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from detectron2.utils import comm

from detic.annotation import AnnotationKind
from detic.errors import InputError
from detic.loading.image_reader import ImageReader
from detic.loading.train_source import TrainSources
from detic.loading.training_data import (
    DrawParams,
    build_training_images,
    load_dataset,
    load_source,
    shared_by_machine,
)
from detic.shared_arrays import ArrayWriter, handle_of, open_shared_arrays

MODEL = {"num_classes": 2, "check_place": ImageReader("RGB").check_place}
WEIGHED = DrawParams(weigh_datasets=True, repeat_threshold=0.9, repeat_sqrt=True)


@pytest.fixture
def sources(joint_cfg):
    return TrainSources.from_config(joint_cfg, 1).entries


@pytest.fixture
def records_of(sources):
    return [load_source(source, drop_empty=True, **MODEL) for source in sources]


def test_records_of_all_sources_lie_in_one_sequence(sources, records_of):
    images = build_training_images(sources, records_of, WEIGHED)
    records = images.records
    assert [r["image_id"] for r in records] == [*range(7), *range(100, 108)]
    assert (
        [r["dataset_source"] for r in records]
        == [0] * 7 + [1] * 8
        == images.arrays["sources"].tolist()
    )
    assert records[0]["annotations"][0]["bbox"] == [5.0, 10.0, 20.0, 10.0]
    assert records[7]["annotations"] == []


def test_squares_are_not_wide(sources, records_of):
    is_wide = build_training_images(sources, records_of, WEIGHED).arrays["is_wide"]
    assert is_wide[:4].tolist() == [True, False, False, True]


def test_an_image_of_unknown_size_is_taken_as_high(sources, records_of):
    del records_of[0][0]["width"], records_of[0][0]["height"]
    assert not build_training_images(sources, records_of, WEIGHED).arrays["is_wide"][0]


def test_weights_follow_ratios_and_rare_classes(sources, records_of):
    weights = build_training_images(sources, records_of, WEIGHED).arrays["draw_weights"]
    assert weights[:7].sum() * 4 == pytest.approx(weights[7:].sum())
    assert weights[1] > weights[0]  # class 1 is in three of seven images, class 0 in four


def test_one_stream_has_repeat_factors_over_all_datasets(cfg, pets, records_of):
    cfg.WITH_IMAGE_LABELS = False
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATASETS.TRAIN = (pets, pets)
    params = DrawParams(weigh_datasets=False, repeat_threshold=0.9, repeat_sqrt=False)
    sources = TrainSources.from_config(cfg, 1).entries
    factors = build_training_images(sources, [records_of[0]] * 2, params).arrays["draw_weights"]
    np.testing.assert_allclose(factors[:2], [0.9 / (4 / 7), 0.9 / (3 / 7)], rtol=1e-6)
    assert len(factors) == 14


def test_a_plain_stream_has_no_weights(cfg, pets, records_of):
    cfg.DATASETS.TRAIN = (pets,)
    cfg.DATALOADER.SAMPLER_TRAIN = "TrainingSampler"
    params = DrawParams(weigh_datasets=False, repeat_threshold=0.9, repeat_sqrt=True)
    arrays = build_training_images(
        TrainSources.from_config(cfg, 1).entries, records_of[:1], params
    ).arrays
    assert "draw_weights" not in arrays


def test_a_union_has_the_records_of_all_its_datasets(joint_cfg):
    joint_cfg.DATASETS.TRAIN = ("pets, pets", "labels")
    union = TrainSources.from_config(joint_cfg, 1).entries[0]
    assert len(load_source(union, drop_empty=False, **MODEL)) == 14


def test_boxes_stand_for_the_masks_that_a_union_lacks(joint_cfg, box_records):
    joint_cfg.DATASETS.TRAIN = ("pets, pets", "labels")
    union = TrainSources.from_config(joint_cfg, 1).entries[0]
    loaded = load_source(union, drop_empty=False, **MODEL)
    assert not any("has_mask" in record["annotations"][0] for record in loaded)
    del box_records[3]["annotations"][0]["segmentation"]
    loaded = load_source(union, drop_empty=False, **MODEL)
    assert all("segmentation" in record["annotations"][0] for record in loaded)
    without = [i for i, r in enumerate(loaded) if not r["annotations"][0].get("has_mask", True)]
    assert without == [3, 10]


def test_masks_of_a_loader_that_is_not_ours_are_looked_at(joint_cfg, box_records):
    joint_cfg.DATASETS.TRAIN = ("pets", "labels")
    source = TrainSources.from_config(joint_cfg, 1).entries[0]
    box_records[3]["annotations"][0]["segmentation"] = [[0, 0, 5, 0, 5, None]]
    with pytest.raises(InputError, match="dataset 'pets', image 3: 'segmentation' has polygons wi"):
        load_source(source, drop_empty=False, **MODEL)


def test_only_sources_with_boxes_lose_their_empty_images(catalogs, sources, pets, box_records):
    box_records[3]["annotations"][0]["iscrowd"] = 1
    box_records[5]["annotations"] = []
    kept = load_source(sources[0], drop_empty=True, **MODEL)
    assert [r["image_id"] for r in kept] == [0, 1, 2, 4, 6]
    assert len(load_source(sources[0], drop_empty=False, **MODEL)) == 7
    assert len(load_source(sources[1], drop_empty=True, **MODEL)) == 8


def test_nothing_left_is_an_error(sources, box_records):
    for record in box_records:
        record["annotations"] = []
    with pytest.raises(InputError, match="no image of 'pets' has boxes to train on"):
        load_source(sources[0], drop_empty=True, **MODEL)


@pytest.mark.parametrize(("position", "image"), [(0, 1), (1, 101)])
def test_classes_beyond_the_model_s_are_refused(sources, position, image):
    name = sources[position].name
    message = f"image {image} of dataset '{name}' has class 1, the model has 1 classes"
    with pytest.raises(InputError, match=message):
        load_source(sources[position], drop_empty=False, **(MODEL | {"num_classes": 1}))


def test_images_that_cannot_be_found_are_named_before_training(sources, box_records):
    box_records[3]["tar_index"] = 7
    del box_records[3]["file_name"]
    with pytest.raises(InputError, match="image 3 is number 7 of a tar index, but no tar files"):
        load_source(sources[0], drop_empty=False, **MODEL)


def test_proposal_sources_may_have_any_classes(joint_cfg):
    joint_cfg.DATALOADER.DATASET_ANN = [AnnotationKind.PROPOSAL.value, "image"]
    source = TrainSources.from_config(joint_cfg, 1).entries[0]
    assert len(load_source(source, drop_empty=False, **(MODEL | {"num_classes": 1}))) == 7


def test_datasets_that_cannot_be_loaded_are_named(catalogs):
    datasets, _ = catalogs
    with pytest.raises(InputError, match="unknown dataset 'pet'"):
        load_dataset("pet")
    datasets.register("empty", list)
    with pytest.raises(InputError, match="dataset 'empty' has no images"):
        load_dataset("empty")
    datasets.register("absent", lambda: Path("no/such.json").read_text())
    with pytest.raises(InputError, match=r"'absent' needs no/such\.json; `detic data check"):
        load_dataset("absent")


@pytest.fixture
def arrays():
    writer = ArrayWriter()
    writer.add("numbers", np.arange(1000))
    return writer.finish()


@pytest.fixture
def job(monkeypatch):
    """A function that makes this process a rank of a job on machines with two processes each."""

    def play(rank, gathered):
        monkeypatch.setattr(comm, "get_world_size", lambda: 4)
        monkeypatch.setattr(comm, "get_rank", lambda: rank)
        monkeypatch.setattr(comm, "get_local_rank", lambda: rank % 2)
        monkeypatch.setattr(
            comm, "all_gather", lambda own: [own if g == "own" else g for g in gathered]
        )

    return play


def sum_of_numbers(connection, handle):
    connection.send(int(open_shared_arrays(handle)["numbers"].sum()))


def test_another_process_of_the_machine_can_read_along(arrays):
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=sum_of_numbers, args=(there, arrays.handle))
    process.start()
    assert here.poll(60)
    assert here.recv() == 499500
    process.join()


def test_the_first_process_of_a_machine_loads(job, arrays):
    job(rank=2, gathered=["handle of another machine", None, "own", None])
    assert shared_by_machine(lambda: arrays) is arrays


def test_the_others_read_along(job, arrays):
    job(rank=3, gathered=["handle of another machine", None, handle_of(arrays), "own"])
    shared = shared_by_machine(lambda: pytest.fail("loaded although it could read along"))
    np.testing.assert_array_equal(shared["numbers"], arrays["numbers"])


def test_a_process_that_cannot_read_along_loads_for_itself(job, arrays, caplog):
    gone = handle_of(arrays).replace(str(os.getpid()).encode(), b"9" * len(str(os.getpid())))
    job(rank=1, gathered=[gone, "own", None, None])
    assert shared_by_machine(lambda: arrays) is arrays
    assert "this process loads the data anew" in caplog.text
