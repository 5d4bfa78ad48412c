"""LVIS: federated average precision, with 300 detections per image or the best of each class.

Precision arrays are (T IoU thresholds, R recalls, C classes, A areas), -1 where undefined.

Source: Gupta et al., LVIS, arXiv 1908.03195; Dave et al., Evaluating Large-Vocabulary Object
Detectors, arXiv 2102.01066 (fixed AP).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hotcoco import COCO, LVISEval, LVISResults

from detic.evaluation.ground_truth import as_evaluation, prepare, use_mask_areas
from detic.evaluation.precision import (
    ALL_AREAS,
    AREAS,
    average_precisions,
    class_means,
    mean_of_defined,
)
from detic.evaluation.results_file import ResultsFile, top_per_group
from detic.evaluation.scores import FREQUENCY_NAMES, ClassTable, Evaluation, TaskScore

DETECTIONS_PER_IMAGE = 300
DETECTIONS_PER_CLASS = 10_000  # over the whole dataset, for fixed AP
NO_LIMIT = -1


def score_lvis(
    annotation_file: str | Path,
    results: ResultsFile,
    tasks: Sequence[str] = ("bbox", "segm"),
    *,
    fixed_ap: bool = False,
) -> Evaluation:
    """Return AP, AR and AP by class frequency, in percent.

    Args:
        annotation_file: in LVIS's format.
        results: the detections; the 300 highest-scoring of each image count.
        tasks: bbox, segm.
        fixed_ap: whether to add the tasks `bbox_fixed` and `segm_fixed`, in which the 10 000
            highest-scoring detections of each class count and no image has a limit.

    Raises:
        InputError: a file is malformed, or they do not fit together.
    """
    ground_truth, classes, tasks = prepare(annotation_file, results, tasks)
    scores = _score(ground_truth, classes, results, tasks, DETECTIONS_PER_IMAGE)
    if fixed_ap:
        best = top_per_group(results.category_ids, results.scores, DETECTIONS_PER_CLASS)
        with results.only(best) as limited:
            fixed = _score(ground_truth, classes, limited, tasks, NO_LIMIT)
        scores |= {f"{task}_fixed": score for task, score in fixed.items()}
    return as_evaluation(ground_truth, classes, scores)


def _score(
    ground_truth: COCO,
    classes: ClassTable,
    results: ResultsFile,
    tasks: Sequence[str],
    max_dets: int,
) -> dict[str, TaskScore]:
    """Return the scores of each task with `max_dets` detections per image."""
    detections = LVISResults(ground_truth, str(results.path), max_dets)
    recall_suffix = "" if max_dets == NO_LIMIT else f"@{max_dets}"
    scores = {}
    for task in tasks:
        if task == "segm":
            use_mask_areas(detections, results)
        evaluation = LVISEval(ground_truth, detections, task)
        evaluation.evaluate()
        evaluation.accumulate()
        precision, recall = evaluation.eval["precision"][..., 0], evaluation.eval["recall"][..., 0]
        metrics = average_precisions(precision) | frequency_means(precision, classes)
        scores[task] = TaskScore(
            metrics=metrics | recalls(recall, recall_suffix),
            class_ap={"AP": class_means(precision[..., ALL_AREAS])},
        )
    return scores


def frequency_means(precision: np.ndarray, classes: ClassTable) -> dict[str, float]:
    """Return APr, APc and APf in percent, NaN for a group without ground truth.

    Args:
        precision: (T, R, C, A)
        classes: C classes.
    """
    everywhere = precision[..., ALL_AREAS]
    return {
        f"AP{letter}": 100 * mean_of_defined(everywhere[..., classes.members(group)])
        for letter, group in FREQUENCY_NAMES.items()
    }


def recalls(recall: np.ndarray, suffix: str) -> dict[str, float]:
    """Return AR, ARs, ARm and ARl in percent: means over all classes and IoU thresholds.

    Args:
        recall: (T, C, A), -1 where undefined.
        suffix: of the names; "@300" tells that 300 detections count.
    """
    return {
        f"AR{letter}{suffix}": 100 * mean_of_defined(recall[..., area])
        for letter, area in {"": ALL_AREAS, **AREAS}.items()
    }
