import json

import numpy as np
import pytest

from detic.errors import InputError
from detic.evaluation.results_file import top_per_group
from detic.evaluation.results_reader import read_results
from tests.detic.evaluation.conftest import detection

BOX = [1, 2, 3, 4]
GOOD = detection(1, 1, BOX, 0.5)
MASK = {"size": [2, 2], "counts": [0, 4]}


def changed(**fields):
    return {k: v for k, v in (GOOD | fields).items() if v is not None}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (7, "number 2: is 7; expected an object"),
        (changed(image_id=None), "number 2: 'image_id' is missing; expected a whole number or a"),
        (changed(category_id="cat"), "number 2: 'category_id' is 'cat'; expected a whole number"),
        (changed(score="high"), "number 2: 'score' is 'high'; expected a number"),
        (changed(score=float("nan")), "number 2: 'score' is nan; expected a number"),
        (changed(score=float("inf")), "number 2: 'score' is inf; expected a number"),
        (changed(score=True), "number 2: 'score' is True; expected a number"),
        (changed(score=10**400), "number 2: 'score' is 1000"),
        (changed(category_id=True), "number 2: 'category_id' is True; expected a whole number"),
        (changed(category_id=2**63), "number 2: 'category_id' is 9223372036854775808; expected"),
        (changed(bbox=[1, 2, float("nan"), 4]), r"number 2: 'bbox' is \[1, 2, nan, 4\]; expected"),
        (changed(bbox=[1, 2, 3, float("inf")]), r"number 2: 'bbox' is \[1, 2, 3, inf\]; expected"),
        (changed(bbox=[1, 2, 3]), r"number 2: 'bbox' is \[1, 2, 3\]; expected \[x, y, width, hei"),
        (changed(bbox=None), "number 2: has neither 'bbox' nor 'segmentation'"),
        (changed(segmentation=[[1, 1, 2, 2, 3, 3]]), r"number 2: 'segmentation' is \[\[1, 1, 2"),
        (changed(segmentation=MASK | {"counts": "garbage!"}), "number 2: .*damaged counts"),
        (changed(segmentation=MASK | {"counts": [0, 9]}), "number 2: .*do not add up"),
        (changed(segmentation=MASK | {"counts": [0, "four"]}), "number 2: 'segmentation' has"),
        (changed(segmentation=MASK | {"size": [-2, 2]}), "number 2: 'segmentation' is"),
    ],
)
def test_malformed_detection_is_named(write, row, message):
    with pytest.raises(InputError, match=message) as caught:
        read_results(write("results.json", [GOOD, row]))
    assert "results.json" in str(caught.value)


def test_other_json_is_refused(write):
    with pytest.raises(InputError, match="holds a json dict; expected a list of detections"):
        read_results(write("results.json", {"annotations": []}))


def test_truncated_json_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": 1')
    with pytest.raises(InputError, match=r"results\.json is not valid JSON"):
        read_results(path)


def test_tasks_are_what_all_detections_have(write):
    with_mask = GOOD | {"segmentation": MASK}
    assert read_results(write("a.json", [with_mask, GOOD])).tasks == ["bbox"]
    assert read_results(write("b.json", [with_mask])).tasks == ["bbox", "segm"]
    assert read_results(write("c.json", [changed(bbox=None, segmentation=MASK)])).tasks == ["segm"]


def test_areas_of_masks_are_counted(write):
    results = read_results(write("results.json", [GOOD | {"segmentation": MASK}]))
    assert results.mask_areas.tolist() == [4]


def test_only_keeps_rows_and_columns_together(write):
    rows = [
        detection(image_id, 1, BOX, score) for image_id, score in ((1, 0.1), (2, 0.2), (2, 0.3))
    ]
    results = read_results(write("results.json", rows))
    with results.only(np.array([True, False, True])) as kept:
        assert json.loads(kept.path.read_text()) == [rows[0], rows[2]]
        assert kept.scores.tolist() == [0.1, 0.3]
        assert list(kept.rows_of_images([2])) == [rows[2]]
    assert not kept.path.exists()


def test_top_per_group_prefers_earlier_entries_of_equal_score():
    groups, scores = np.array([0, 0, 0, 1]), np.array([0.5, 0.7, 0.5, 0.1])
    assert top_per_group(groups, scores, 2).tolist() == [True, True, False, True]
