"""The keys of a recipe follow from facts; all numbers here are computed by hand."""

from dataclasses import replace

import pytest

from detic.annotation import AnnotationKind
from detic.own_data.derivation import (
    DataFacts,
    DetectorFacts,
    MachineFacts,
    SourceFacts,
    batch_size,
    batches_per_source,
    derive,
    learning_rate,
)

BOX, IMAGE = AnnotationKind.BOX, AnnotationKind.IMAGE
GIB = 2**30
DETECTOR = DetectorFacts(
    base_lr=0.0008,
    batch=8,
    is_adaptive=True,
    num_federated=30,
    num_workers=4,
    side_px=128,
    resizing={"DATASET_INPUT_SIZE": {BOX: 128, IMAGE: 64}},
)
MACHINE = MachineFacts(memory_bytes=8 * GIB, num_gpus=0, num_cores=2)
BOXES, IMAGES = SourceFacts("my_boxes", BOX, 300), SourceFacts("my_images", IMAGE, 240)
OLD = SourceFacts("old", BOX, 100_000, is_own=False, repeats_rare=True)
DATA = DataFacts((BOXES, IMAGES, OLD), ("my_val",), num_classes=128, num_classes_with_boxes=24)


def keys(data=DATA, detector=DETECTOR, machine=MACHINE, passes=2.5):
    return {setting.key: setting.value for setting in derive(data, detector, machine, passes)}


@pytest.mark.parametrize(
    ("gib", "side_px", "batch"),
    [
        (32, 640, 4),  # 0.8 x 32 GiB / (10 KiB x 640 x 640) = 6.6
        (80, 640, 8),  # 16.4, and 8 are the most
        (80, 896, 8),  # 8.4
        (4, 640, 1),  # 0.8
        (4, 128, 8),  # 20
    ],
)
def test_batches_fit_the_memory(gib, side_px, batch):
    assert batch_size(gib * GIB, side_px) == batch


@pytest.mark.parametrize(
    ("num_images", "batches"),
    [(300, 100), (1600, 500), (1_000_000, 2000)],  # at least 100, at most 2000; 2.5 x 1600 / 8
)
def test_batches_pass_over_the_largest_own_source(num_images, batches):
    sources = [replace(BOXES, num_images=num_images), IMAGES, OLD]
    assert batches_per_source(sources, batch=8, processes=1, passes=2.5) == batches


def test_label_batches_are_four_times_as_large():
    # 2.5 x 6400 / (4 x 8 images x 2 processes)
    assert batches_per_source([replace(IMAGES, num_images=6400)], 8, 2, 2.5) == 250


def test_the_rate_follows_the_optimizer():
    assert learning_rate(DETECTOR, 8) == 0.0004
    assert learning_rate(DETECTOR, 2) == 0.0002
    assert learning_rate(replace(DETECTOR, is_adaptive=False), 2) == 0.0001


def test_sources_take_turns():
    found = keys()
    assert found["DATASETS.TRAIN"] == ["my_boxes", "my_images", "old"]
    assert found["DATALOADER.DATASET_ANN"] == ["box", "image", "box"]
    assert found["DATALOADER.DATASET_BS"] == [8, 32, 8]
    assert found["DATALOADER.DATASET_RATIO"] == [1, 4, 1]
    assert found["DATALOADER.DATASET_INPUT_SIZE"] == [128, 64, 128]
    assert found["DATALOADER.USE_RFS"] == [False, False, True]
    assert found["DATALOADER.NUM_WORKERS"] == 2


def test_the_schedule_is_as_long_as_its_batches():
    found = keys()
    assert (found["SOLVER.MAX_ITER"], found["SOLVER.WARMUP_ITERS"]) == (300, 22)  # 0.075 x 300
    assert found["TEST.EVAL_PERIOD"] == 0
    assert keys(passes=25)["SOLVER.MAX_ITER"] == 3 * 938  # 25 x 300 / 8
    assert keys(passes=25)["TEST.EVAL_PERIOD"] == 703


def test_the_federated_loss_samples_no_more_classes_than_have_boxes():
    assert keys()["MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT"] == 24
    data = replace(DATA, num_classes_with_boxes=500)
    assert keys(data)["MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT"] == 30


def test_the_rate_is_that_of_all_processes_together():
    machine = replace(MACHINE, num_gpus=4)
    assert keys(machine=machine)["SOLVER.BASE_LR"] == 0.0008
