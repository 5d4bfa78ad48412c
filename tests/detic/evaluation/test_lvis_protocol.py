"""LVIS: federated rules and limits, by hand; all numbers in percent."""

import math

import numpy as np
import pytest

from detic.errors import InputError
from detic.evaluation.lvis_protocol import score_lvis
from tests.detic.evaluation.conftest import detection

HERE, THERE, ELSEWHERE = (10, 10, 20, 20), (60, 60, 30, 30), (10, 60, 20, 20)


def box_metrics(path, results, **options):
    return score_lvis(path, results, ["bbox"], **options).tasks["bbox"].metrics


def test_detection_of_unjudged_class_costs_nothing(lvis_file, results_of):
    # Image 2 says nothing about class 1, so a confident detection there is left out.
    path = lvis_file([(1, 1, HERE)], num_images=2)
    results = results_of([detection(2, 1, HERE, 0.9), detection(1, 1, HERE, 0.5)])
    assert box_metrics(path, results)["AP"] == pytest.approx(100)


def test_detection_of_negative_class_is_false(lvis_file, results_of):
    path = lvis_file([(1, 1, HERE)], num_images=2, negative={2: [1]})
    results = results_of([detection(2, 1, HERE, 0.9), detection(1, 1, HERE, 0.5)])
    assert box_metrics(path, results)["AP"] == pytest.approx(50)  # precision 1/2 at all recalls


@pytest.mark.parametrize(("partial", "expected"), [({}, 50), ({1: [1]}, 100)])
def test_unmatched_detection_is_ignored_where_annotation_is_not_exhaustive(
    lvis_file, results_of, partial, expected
):
    path = lvis_file([(1, 1, HERE)], partial=partial)
    results = results_of([detection(1, 1, ELSEWHERE, 0.9), detection(1, 1, HERE, 0.5)])
    assert box_metrics(path, results)["AP"] == pytest.approx(expected)


def test_frequency_means_cover_their_classes(lvis_file, results_of):
    path = lvis_file([(1, 1, HERE), (1, 2, THERE)], frequencies="rcf")
    metrics = box_metrics(path, results_of([detection(1, 1, HERE, 0.9)]))
    assert metrics["APr"] == pytest.approx(100)
    assert metrics["APc"] == 0
    assert math.isnan(metrics["APf"])  # nothing frequent is annotated
    assert metrics["AP"] == pytest.approx(50)
    assert metrics["AR@300"] == pytest.approx(50)


def test_file_without_frequencies_has_no_frequency_means(lvis_file, results_of, write):
    path = lvis_file([(1, 1, HERE)])
    plain = path.read_text().replace(', "frequency": "r"', "").replace(', "frequency": "c"', "")
    path.write_text(plain.replace(', "frequency": "f"', ""))
    metrics = box_metrics(path, results_of([detection(1, 1, HERE, 0.9)]))
    assert metrics["AP"] == pytest.approx(100)
    assert math.isnan(metrics["APr"])


def test_only_300_detections_of_an_image_count_but_all_do_for_fixed_ap(lvis_file, results_of):
    # 300 confident detections of class 2, which is not judged, push out the one that is right.
    path = lvis_file([(1, 1, HERE)])
    crowd = [detection(1, 2, THERE, 0.9) for _ in range(300)]
    evaluation = score_lvis(
        path, results_of([*crowd, detection(1, 1, HERE, 0.1)]), ["bbox"], fixed_ap=True
    )
    assert evaluation.tasks["bbox"].metrics["AP"] == 0
    assert evaluation.tasks["bbox_fixed"].metrics["AP"] == pytest.approx(100)
    assert evaluation.tasks["bbox_fixed"].metrics["AR"] == pytest.approx(100)
    assert "AR@300" not in evaluation.tasks["bbox_fixed"].metrics


def test_fixed_ap_keeps_the_best_of_each_class(lvis_file, results_of, monkeypatch):
    # With room for 2 of a class over the dataset, the third detection, which is right, is lost.
    monkeypatch.setattr("detic.evaluation.lvis_protocol.DETECTIONS_PER_CLASS", 2)
    path = lvis_file([(1, 1, HERE), (2, 1, HERE), (3, 2, HERE)], num_images=3)
    rows = [detection(1, 1, ELSEWHERE, 0.9), detection(1, 1, HERE, 0.8)]
    rows += [detection(2, 1, HERE, 0.7), detection(3, 2, HERE, 0.1)]
    score = score_lvis(path, results_of(rows), ["bbox"], fixed_ap=True)
    assert score.tasks["bbox"].metrics["AR@300"] == pytest.approx(100)
    assert score.tasks["bbox_fixed"].metrics["AR"] == pytest.approx(75)  # classes 1/2 and 1


def test_sizes_of_masks_come_from_masks(lvis_file, results_of):
    # The mask has 30 x 30 pixels, small; the box of the detection, 40 x 40, would be medium.
    # Unmatched small detections count only where small objects are looked for.
    path = lvis_file([(1, 1, HERE)])
    runs = {"size": [100, 100], "counts": [6060] + [30, 70] * 29 + [30, 1010]}
    wrong = detection(1, 1, (55, 55, 40, 40), 0.9) | {"segmentation": runs}
    right_runs = {"size": [100, 100], "counts": [1010] + [20, 80] * 19 + [20, 7070]}
    right = detection(1, 1, HERE, 0.5) | {"segmentation": right_runs}
    evaluation = score_lvis(path, results_of([wrong, right]))
    assert evaluation.tasks["segm"].metrics["APs"] == pytest.approx(50)
    assert evaluation.tasks["bbox"].metrics["APs"] == pytest.approx(100)


def test_no_detections_score_zero(lvis_file, results_of):
    metrics = box_metrics(lvis_file([(1, 1, HERE)]), results_of([]))
    assert (metrics["AP"], metrics["AR@300"]) == (0, 0)


def test_order_of_detections_does_not_matter(lvis_file, results_of):
    path = lvis_file([(1, 1, HERE), (1, 1, THERE), (2, 2, HERE)], num_images=2, negative={1: [2]})
    rows = [
        detection(1, 1, HERE, 0.3),
        detection(1, 1, ELSEWHERE, 0.5),
        detection(1, 2, HERE, 0.9),
        detection(2, 2, HERE, 0.4),
    ]
    forward = box_metrics(path, results_of(rows))
    np.testing.assert_array_equal(
        list(forward.values()), list(box_metrics(path, results_of(rows[::-1])).values())
    )


def test_per_class_precision_is_nan_without_annotations(lvis_file, results_of):
    path = lvis_file([(1, 2, HERE)])
    evaluation = score_lvis(path, results_of([detection(1, 2, HERE, 0.9)]), ["bbox"])
    class_ap = evaluation.tasks["bbox"].class_ap["AP"]
    np.testing.assert_allclose(class_ap, [np.nan, 100, np.nan], rtol=1e-12)
    assert evaluation.classes.num_gt == (0, 1, 0)


def test_detections_on_unknown_image_are_refused(lvis_file, results_of):
    with pytest.raises(InputError, match=r"on image 7, which is not among the 1 images of .*lvis"):
        box_metrics(lvis_file([(1, 1, HERE)]), results_of([detection(7, 1, HERE, 0.9)]))


def test_detections_of_unknown_category_are_refused(lvis_file, results_of):
    with pytest.raises(InputError, match="category 9, which is not among the 3 categories"):
        box_metrics(lvis_file([(1, 1, HERE)]), results_of([detection(1, 9, HERE, 0.9)]))


def test_unknown_frequency_is_refused(lvis_file, results_of):
    with pytest.raises(InputError, match=r"category number 1 \(id 1\): 'frequency' is 'x'; exp"):
        box_metrics(lvis_file([(1, 1, HERE)], frequencies="x"), results_of([]))


def test_objects_without_area_are_passed_over(lvis_file, results_of, write):
    # LVIS's own code does so: neither is the flat detection false, nor the flat object missed.
    flat = (10, 10, 0, 20)
    path = lvis_file([(1, 1, HERE), (1, 1, flat)])
    rows = [detection(1, 1, flat, 0.9), detection(1, 1, HERE, 0.5)]
    evaluation = score_lvis(path, results_of(rows), ["bbox"])
    assert evaluation.tasks["bbox"].metrics["AP"] == pytest.approx(100)
    assert len(evaluation.annotations_of_class(1)) == 2
