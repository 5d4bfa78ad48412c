"""COCO and open-vocabulary COCO, by hand; all numbers in percent."""

import math

import numpy as np
import pytest

from detic.errors import InputError
from detic.evaluation.coco_protocol import score_coco
from tests.detic.evaluation.conftest import annotation, detection

HERE, THERE = (10, 10, 20, 20), (60, 60, 30, 30)
GROUPS = {"seen": ["cat", "dog"], "unseen": ["cow"]}


@pytest.fixture
def coco_file(write):
    def coco_file(annotations, names=("cat", "dog", "cow", "owl")):
        return write(
            "coco.json",
            {
                "images": [{"id": 1, "height": 100, "width": 100}],
                "annotations": annotations,
                "categories": [{"id": 10 + i, "name": name} for i, name in enumerate(names)],
            },
        )

    return coco_file


def test_group_means_are_plain_means_of_ap50(coco_file, results_of):
    path = coco_file([annotation(i, 1, 9 + i, HERE) for i in (1, 2, 3)])
    results = results_of([detection(1, 10, HERE, 0.9), detection(1, 12, HERE, 0.8)])
    metrics = score_coco(path, results, ["bbox"], groups=GROUPS).tasks["bbox"].metrics
    assert metrics["AP50-seen"] == pytest.approx(50)  # cat found, dog missed
    assert metrics["AP50-unseen"] == pytest.approx(100)
    assert metrics["AP50-all"] == pytest.approx(100 * 2 / 3)


def test_a_class_without_annotations_makes_its_group_nan(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE), annotation(2, 1, 12, HERE)])  # no dog
    results = results_of([detection(1, 10, HERE, 0.9), detection(1, 12, HERE, 0.8)])
    metrics = score_coco(path, results, ["bbox"], groups=GROUPS).tasks["bbox"].metrics
    assert math.isnan(metrics["AP50-seen"])
    assert metrics["AP50-unseen"] == pytest.approx(100)
    assert math.isnan(metrics["AP50-all"])
    assert metrics["AP50"] == pytest.approx(100)  # which leaves dog out


def test_classes_of_no_group_are_in_no_mean(coco_file, results_of):
    annotations = [annotation(i, 1, 9 + i, HERE) for i in (1, 2, 3, 4)]  # owl is missed
    results = results_of([detection(1, 9 + i, HERE, 0.9) for i in (1, 2, 3)])
    evaluation = score_coco(coco_file(annotations), results, ["bbox"], groups=GROUPS)
    metrics = evaluation.tasks["bbox"].metrics
    assert metrics["AP50-all"] == pytest.approx(100)
    assert metrics["AP50"] == pytest.approx(75)
    assert evaluation.classes.groups == ("seen", "seen", "unseen", "")


def test_one_class_has_no_group_means_and_no_class_results(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE)], names=["cat"])
    results = results_of([detection(1, 10, HERE, 0.9)])
    evaluation = score_coco(path, results, ["bbox"], groups=GROUPS)
    assert set(evaluation.results()["bbox"]) == {"AP", "AP50", "AP75", "APs", "APm", "APl"}


def test_results_name_each_class(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE)])
    results = score_coco(path, results_of([detection(1, 10, HERE, 0.9)]), ["bbox"]).results()
    assert results["bbox"]["AP-cat"] == pytest.approx(100)
    assert math.isnan(results["bbox"]["AP-owl"])


def test_detection_in_a_crowd_costs_nothing(coco_file, results_of):
    crowd = annotation(2, 1, 10, THERE, iscrowd=1)
    path = coco_file([annotation(1, 1, 10, HERE), crowd])
    rows = [detection(1, 10, THERE, 0.9), detection(1, 10, HERE, 0.5)]
    evaluation = score_coco(path, results_of(rows), ["bbox"])
    assert evaluation.tasks["bbox"].metrics["AP"] == pytest.approx(100)
    assert evaluation.classes.num_gt == (1, 0, 0, 0)
    assert len(evaluation.annotations_of_class(10)) == 1


def test_boxes_alone_are_scored_where_no_masks_are_annotated(coco_file, results_of, caplog):
    bare = {k: v for k, v in annotation(1, 1, 10, HERE).items() if k != "segmentation"}
    path = coco_file([bare])
    evaluation = score_coco(path, results_of([detection(1, 10, HERE, 0.9)]), ["bbox", "segm"])
    assert list(evaluation.tasks) == ["bbox"]
    assert "coco.json lacks masks: only boxes are evaluated" in caplog.text


def test_masks_alone_are_refused_where_none_are_annotated(coco_file, results_of):
    bare = {k: v for k, v in annotation(1, 1, 10, HERE).items() if k != "segmentation"}
    with pytest.raises(InputError, match="lacks masks, so task segm cannot be scored"):
        score_coco(coco_file([bare]), results_of([]), ["segm"])


def test_detections_without_masks_are_refused_for_masks(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE)])
    with pytest.raises(InputError, match="detections without masks; leave out task segm"):
        score_coco(path, results_of([detection(1, 10, HERE, 0.9)]))


def test_masks_of_another_size_than_the_image_are_refused(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE)])
    mask = {"size": [50, 50], "counts": [0, 2500]}
    results = results_of([detection(1, 10, HERE, 0.9) | {"segmentation": mask}])
    with pytest.raises(
        InputError, match=r"number 1: its mask is \[50, 50\], its image \[100, 100\]"
    ):
        score_coco(path, results)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds a json list; expected an object"),
        ('{"images": [], "categories": []}', "has no images"),
        (
            '{"images": [{"id": "a"}], "annotations": [], "categories": []}',
            "'height' is missing; expected an integer",
        ),
    ],
)
def test_malformed_annotation_file_is_refused(tmp_path, results_of, content, message):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        score_coco(path, results_of([]))
    assert "broken.json" in str(caught.value)


def test_missing_annotation_file_is_refused(tmp_path, results_of):
    with pytest.raises(InputError, match=r"gone\.json not found; `detic data check`"):
        score_coco(tmp_path / "gone.json", results_of([]))


def test_order_of_detections_does_not_matter(coco_file, results_of):
    path = coco_file([annotation(1, 1, 10, HERE), annotation(2, 1, 10, THERE)])
    rows = [detection(1, 10, HERE, 0.3), detection(1, 10, (0, 70, 9, 9), 0.5)]
    rows.append(detection(1, 10, THERE, 0.9))
    first, second = (
        score_coco(path, results_of(order), ["bbox"]).tasks["bbox"].metrics
        for order in (rows, rows[::-1])
    )
    np.testing.assert_array_equal(list(first.values()), list(second.values()))
