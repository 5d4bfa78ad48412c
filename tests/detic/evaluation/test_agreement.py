"""Digit by digit agreement with the original implementations on random data."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest

from detic.evaluation.coco_protocol import score_coco
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.prediction_log import PredictionLog
from detic.result_rows import ResultRows
from tests.detic.evaluation.random_data import random_detections, random_ground_truth

METRICS = {"AP": 0, "AP50": 1, "AP75": 2, "APs": 3, "APm": 4, "APl": 5}  # places in COCO's summary


@pytest.fixture(params=[0, 1])
def data(request):
    rng = np.random.default_rng(request.param)
    ground_truth = random_ground_truth(rng)
    return ground_truth, random_detections(rng, ground_truth)


def for_task(detections, task):
    """Return the detections as the originals need them: for masks without the box."""
    dropped = "bbox" if task == "segm" else "segmentation"
    return [{k: v for k, v in row.items() if k != dropped} for row in copy.deepcopy(detections)]


def percent(value):
    """Return an original's metric as ours: it says -1 where nothing is annotated."""
    return np.nan if value == -1 else 100 * value


@pytest.mark.parametrize("task", ["bbox", "segm"])
def test_coco_agrees_with_pycocotools(data, task, write, results_of):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ground_truth, detections = data
    for row in ground_truth["annotations"]:
        row["iscrowd"] = int(row["id"] % 7 == 0)
    path = write("ground_truth.json", ground_truth)
    actual = score_coco(path, results_of(detections), ["bbox", "segm"]).tasks[task].metrics
    with contextlib.redirect_stdout(io.StringIO()):
        original = COCO(path)
        results = original.loadRes(for_task(detections, task))
        evaluation = COCOeval(original, results, task)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    for name, place in METRICS.items():
        np.testing.assert_allclose(actual[name], percent(evaluation.stats[place]), rtol=1e-12)


@pytest.mark.parametrize("task", ["bbox", "segm"])
@pytest.mark.parametrize("max_dets", [20, -1])
def test_lvis_agrees_with_the_lvis_package(data, task, max_dets, write, results_of, monkeypatch):
    lvis = pytest.importorskip("lvis")
    monkeypatch.setattr(np, "float", float, raising=False)  # lvis 0.5.3 uses the removed name
    monkeypatch.setattr("detic.evaluation.lvis_protocol.DETECTIONS_PER_IMAGE", 20)
    ground_truth, detections = data
    path = write("ground_truth.json", ground_truth)
    score = score_lvis(path, results_of(detections), fixed_ap=True)
    actual = score.tasks[task if max_dets > 0 else f"{task}_fixed"].metrics
    original = lvis.LVIS(path)
    results = lvis.LVISResults(original, for_task(detections, task), max_dets)
    evaluation = lvis.LVISEval(original, results, task)
    evaluation.run()
    for name, value in evaluation.get_results().items():
        name = name.replace("@300", "@20" if max_dets > 0 else "")
        np.testing.assert_allclose(actual[name], percent(value), rtol=1e-12)


def test_limit_counts_when_images_have_more_than_300_detections(write, results_of, monkeypatch):
    lvis = pytest.importorskip("lvis")
    monkeypatch.setattr(np, "float", float, raising=False)
    rng = np.random.default_rng(2)
    ground_truth = random_ground_truth(rng, num_images=3)
    detections = random_detections(rng, ground_truth, per_image=500)
    path = write("ground_truth.json", ground_truth)
    score = score_lvis(path, results_of(detections), fixed_ap=True)
    for task, max_dets in (("segm", 300), ("segm_fixed", -1)):
        original = lvis.LVIS(path)
        results = lvis.LVISResults(original, for_task(detections, "segm"), max_dets)
        evaluation = lvis.LVISEval(original, results, "segm")
        evaluation.run()
        expected = 100 * evaluation.get_results()["AP"]
        np.testing.assert_allclose(score.tasks[task].metrics["AP"], expected, rtol=1e-12)
    assert score.tasks["segm"].metrics["AP"] != score.tasks["segm_fixed"].metrics["AP"]


def test_detections_of_a_run_score_as_those_of_a_file(data, write, results_of, tmp_path):
    # The log of a run carries the areas of masks along; a file from elsewhere has them computed.
    ground_truth, detections = data
    path = write("ground_truth.json", ground_truth)
    log = PredictionLog(tmp_path / "log", run={})
    log.start()
    for image in ground_truth["images"][::-1]:
        rows = [row for row in detections if row["image_id"] == image["id"]]
        log.append(
            ResultRows(
                image_id=image["id"],
                category_ids=[row["category_id"] for row in rows],
                scores=[row["score"] for row in rows],
                boxes_xywh=[row["bbox"] for row in rows],
                masks=[row["segmentation"] for row in rows],
            )
        )
    logged = log.finish(tmp_path / "results.json")
    assert json.loads(logged.path.read_text()) == detections
    expected = score_lvis(path, results_of(detections), fixed_ap=True).results()
    for task, metrics in score_lvis(path, logged, fixed_ap=True).results().items():
        assert metrics == pytest.approx(expected[task], rel=1e-12, nan_ok=True)
