"""The results have the names and the files of detic's own."""

import json

import numpy as np
import pytest

import detic.detections
from detic.outputs import ImageRecord
from detic.outputs.json_lines import image_entry
from detic.result_rows import result_rows
from detic_lite import Detections


def columns():
    masks = np.zeros((3, 20, 30), dtype=bool)
    masks[0, 2:9, 3:8] = masks[2, 0, 0] = True
    return {
        "boxes_xyxy": np.array([[3, 2, 8, 9], [0.12345, 1, 2, 3], [1, 1, 7.5, 2]], np.float32),
        "scores": np.array([0.91234567, 0.5, 0.1], np.float32),
        "labels": np.array([1, 0, 1]),
        "names": np.array(["größe", "cat", "größe"]),
        "image_size_hw": (20, 30),
        "masks": masks,
    }


@pytest.fixture
def found():
    return Detections(**columns(), file_name="a.jpg")


@pytest.mark.parametrize("masks", [True, False])
def test_json_and_coco_are_those_of_the_detector(masks):
    given = columns() if masks else columns() | {"masks": None}
    own, theirs = Detections(**given, file_name="a.jpg"), detic.detections.Detections(**given)
    entry = image_entry(ImageRecord("a.jpg", 7, stem=""), theirs)
    assert json.loads(own.to_json(7)) == entry
    assert "größe" in own.to_json()
    assert own.to_coco(7, [10, 20]) == list(result_rows(7, theirs, [10, 20], rounded=True))
    assert [row["category_id"] for row in own.to_coco()] == [2, 1, 2]


def test_rows_are_chosen_by_index_mask_and_name(found):
    assert found[1].scores.tolist() == [0.5]
    assert found["größe"].labels.tolist() == [1, 1]
    assert found[["cat", "dog"]].masks.shape == (1, 20, 30)
    assert len(found[found.scores > 0.3]) == 2
    assert len(found[:0]) == 0


def test_objects_come_one_by_one(found):
    names = [one.name for one in found]
    assert names == ["größe", "cat", "größe"]
    assert next(iter(found)).mask.sum() == 35
    assert found.count() == {"größe": 2, "cat": 1}
