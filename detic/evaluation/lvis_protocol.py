"""LVIS: federated average precision, with 300 detections per image or the best of each class.

Precision arrays are (T IoU thresholds, R recalls, C classes, A areas), -1 where undefined.

Source: Gupta et al., LVIS, arXiv 1908.03195; Dave et al., Evaluating Large-Vocabulary Object
Detectors, arXiv 2102.01066 (fixed AP).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from hotcoco import COCO, LVISEval, LVISResults

from detic.evaluation.ground_truth import (
    Annotations,
    GroundTruth,
    accumulated,
    as_evaluation,
    prepare,
    use_mask_areas,
)
from detic.evaluation.precision_arrays import (
    ALL_AREAS,
    AREAS,
    average_precisions,
    class_curves,
    class_means,
    mean_of_defined,
)
from detic.evaluation.results_file import ResultsFile, top_per_group
from detic.evaluation.scores import FREQUENCY_NAMES, ClassTable, Evaluation, TaskScore

DETECTIONS_PER_IMAGE = 300  # rule of the LVIS benchmark
DETECTIONS_PER_CLASS = 10_000  # over the whole dataset, for fixed AP
NO_LIMIT = -1


def score_lvis(
    annotations: Annotations,
    results: ResultsFile,
    tasks: Sequence[str] = ("bbox", "segm"),
    *,
    fixed_ap: bool = False,
) -> Evaluation:
    """Return AP, AR and AP by class frequency, in percent.

    Args:
        annotations: a file in LVIS's format, or its content.
        results: the detections; the 300 highest-scoring of each image count.
        tasks: bbox, segm.
        fixed_ap: whether to add the tasks ``bbox_fixed`` and ``segm_fixed``, in which the 10 000
            highest-scoring detections of each class count and no image has a limit.

    Raises:
        InputError: a file is malformed, or they do not fit together.
    """
    truth, tasks = prepare(annotations, results, tasks)
    ground_truth = truth.to_coco(with_masks="segm" in tasks)
    judged = is_judged(truth, results)
    counted = top_per_group(results.image_indices, results.scores, DETECTIONS_PER_IMAGE)
    with results.only(judged & counted) as best, truth.numbered(best) as numbered:
        suffix = f"@{DETECTIONS_PER_IMAGE}"
        scores = _score(ground_truth, truth.classes, numbered, tasks, suffix)
    if fixed_ap:
        counted = top_per_group(results.category_ids, results.scores, DETECTIONS_PER_CLASS)
        with results.only(judged & counted) as best, truth.numbered(best) as numbered:
            fixed = _score(ground_truth, truth.classes, numbered, tasks, "")
        scores |= {f"{task}_fixed": score for task, score in fixed.items()}
    return as_evaluation(truth, truth.classes, scores)


def is_judged(truth: GroundTruth, results: ResultsFile) -> np.ndarray:
    """Return which detections can count, (N,) bool.

    A class is judged only on images in which it is annotated or was found to be absent. Leaving the
    others out beforehand changes no metric and spares most of the work.
    """
    column_of = truth.content.class_index
    table = np.zeros((len(results.image_ids), len(column_of)), dtype=bool)
    for row, image_id in zip(table, results.image_ids, strict=True):
        annotations = truth.content.annotations_of.get(image_id, ())
        row[[column_of[annotation["category_id"]] for annotation in annotations]] = True
        absent = truth.images[image_id].get("neg_category_ids", ())
        row[[column_of[category_id] for category_id in absent]] = True
    columns = np.searchsorted(list(column_of), results.category_ids)  # ids of the file, rising
    return table[results.image_indices, columns]


def _score(
    ground_truth: COCO,
    classes: ClassTable,
    results: ResultsFile,
    tasks: Sequence[str],
    recall_suffix: str,
) -> dict[str, TaskScore]:
    """Return the scores of each task, of all the detections."""
    detections = LVISResults(ground_truth, str(results.path), NO_LIMIT)
    scores = {}
    for task in tasks:
        if task == "segm":
            use_mask_areas(detections, results)
        with without_empty(ground_truth), without_empty(detections):
            evaluation = LVISEval(ground_truth, detections, task)
            evaluation.evaluate()
        found = accumulated(evaluation)
        precision, recall = found["precision"][..., 0], found["recall"][..., 0]
        metrics = average_precisions(precision) | frequency_means(precision, classes)
        scores[task] = TaskScore(
            metrics=metrics | recalls(recall, recall_suffix),
            class_ap={"AP": class_means(precision[..., ALL_AREAS])},
            curves=class_curves(precision, recall),
        )
    return scores


@contextmanager
def without_empty(objects: COCO) -> Iterator[None]:
    """Give annotations or detections without area a category that does not exist, for a while.

    LVIS's own code passes over them, so an empty mask is no false positive.
    """
    empty = objects.load_anns(objects.get_ann_ids(area_rng=[-math.inf, 0]))
    nowhere = max(objects.cats) + 1
    objects.update_anns([{"id": row["id"], "category_id": nowhere} for row in empty])
    try:
        yield
    finally:
        objects.update_anns([{key: row[key] for key in ("id", "category_id")} for row in empty])


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
