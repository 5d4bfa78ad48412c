"""Files of detections from elsewhere."""

import json

import pytest

from detic.errors import InputError
from detic.evaluation.results_reader import read_results


def test_a_missing_file_is_no_matter_of_datasets(tmp_path):
    with pytest.raises(InputError, match=r"no file of detections at .*gone\.json; check the path"):
        read_results(tmp_path / "gone.json")


ROW = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
MASK = {"size": [2, 3], "counts": [1, 2, 3]}


def read(tmp_path, *rows, before=""):
    path = tmp_path / "detections.json"
    path.write_text(before + json.dumps(rows), encoding="utf-8")
    return read_results(path)


def test_fields_that_nobody_scores_may_hold_anything(tmp_path):
    row = ROW | {"id": "a", "area": None, "note": float("nan"), "segmentation": None}
    assert read(tmp_path, row, before="\ufeff").content == [ROW]


def test_masks_that_some_detections_lack_are_left_out(tmp_path):
    results = read(tmp_path, ROW | {"segmentation": MASK}, ROW)
    assert results.tasks == ["bbox"]
    assert results.content == [ROW, ROW]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[1, 2, 3, 4, 5, 6]], "expected {'size'"),
        (MASK | {"size": [2.0, 3.0]}, "expected {'size'"),
        (MASK | {"size": [0, 3]}, "expected {'size'"),
        (MASK | {"counts": "~~~"}, "damaged counts"),
        (MASK | {"counts": ""}, "do not add up"),
        (MASK | {"counts": [1, 2]}, "do not add up"),
        (MASK | {"counts": [1, 10**9]}, "do not add up"),
        (MASK | {"counts": [-1, 7]}, "damaged counts"),
    ],
)
def test_masks_follow_the_rule_for_annotations(tmp_path, mask, message):
    rows = [ROW | {"segmentation": MASK}, ROW | {"segmentation": mask}]
    with pytest.raises(InputError, match=f"detection number 2: 'segmentation' .*{message}"):
        read(tmp_path, *rows)


def test_an_empty_mask_is_a_mask(tmp_path):
    results = read(tmp_path, ROW | {"segmentation": {"size": [2, 3], "counts": [6]}})
    assert results.mask_areas.tolist() == [0]
