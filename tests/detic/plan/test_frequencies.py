"""Counting classes where the recipe names no file of frequencies."""

import json

import pytest
from detectron2.data import DatasetCatalog

from detic.errors import InputError
from detic.plan.frequencies import FrequencyFile, images_per_class
from detic.recipes import default_config


def record(*classes, crowds=()):
    annotations = [{"category_id": index} for index in classes]
    annotations += [{"category_id": index, "iscrowd": 1} for index in crowds]
    return {"image_id": 1, "annotations": annotations}


@pytest.fixture
def cfg(tmp_path):
    """A recipe that needs frequencies and trains on boxes of the classes 0 and 2."""
    records = [record(0, 0, 2), record(2, crowds=[1]), record()]
    DatasetCatalog.register("counted", lambda: records)
    cfg = default_config()
    cfg.MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH = ""
    cfg.MODEL.ROI_BOX_HEAD.USE_FED_LOSS = True
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 4
    cfg.DATASETS.TRAIN = ("counted",)
    cfg.OUTPUT_DIR = str(tmp_path)
    yield cfg
    DatasetCatalog.remove("counted")


def test_an_image_counts_once_for_each_of_its_classes():
    assert images_per_class([record(0, 0, 2), record(2), record()], 4) == [1, 0, 2, 0]


def test_a_class_that_the_model_does_not_have_is_named():
    with pytest.raises(InputError, match="image 1 has class 5, the model has 4 classes"):
        images_per_class([record(5)], 4)


def test_boxes_to_train_on_are_counted_and_the_log_says_so(cfg, tmp_path, caplog):
    caplog.set_level("INFO")
    path = FrequencyFile.from_config(cfg, world_size=1).settled()
    assert path == str(tmp_path / "class_frequencies.json")
    counts = {c["id"]: c["image_count"] for c in json.loads((tmp_path / path).read_text())}
    assert counts == {1: 1, 2: 0, 3: 2, 4: 0}
    assert "CAT_FREQ_PATH is empty: counted" in caplog.text
    assert "2 of 4 classes have boxes" in caplog.text


def test_a_file_of_frequencies_is_used_as_it_is(cfg):
    cfg.MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH = "counts.json"
    assert FrequencyFile.from_config(cfg, world_size=1).settled() == "counts.json"
