"""COCO's average precision, also by groups of classes as open-vocabulary COCO asks for.

Precision arrays are (T IoU thresholds, R recalls, C classes, A areas), -1 where undefined.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312; Bansal et al., Zero-Shot Object Detection,
arXiv 1804.04340 (the split of open-vocabulary COCO).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hotcoco import COCO, COCOeval

from detic.evaluation.ground_truth import (
    Annotations,
    accumulated,
    as_evaluation,
    prepare,
    use_mask_areas,
)
from detic.evaluation.precision_arrays import (
    ALL_AREAS,
    IOU_50,
    average_precisions,
    class_curves,
    class_means,
)
from detic.evaluation.results_file import ResultsFile
from detic.evaluation.scores import ClassTable, Evaluation, TaskScore

LARGEST_LIMIT = -1  # position of 100 among the limits 1, 10, 100 per image and class

Groups = Mapping[str, Sequence[str]]  # names of classes by group


def score_coco(
    annotations: Annotations,
    results: ResultsFile,
    tasks: Sequence[str] = ("bbox", "segm"),
    *,
    groups: Groups | None = None,
) -> Evaluation:
    """Return AP, in percent, and the AP of each class.

    Args:
        annotations: a file in COCO's format, or its content.
        results: the detections; the 100 highest-scoring of each class and image count.
        tasks: bbox, segm.
        groups: class names by group, e.g. seen and unseen; each gets an ``AP50-<group>``, and all
            of them together ``AP50-all``.

    Raises:
        InputError: a file is malformed, or they do not fit together.
    """
    truth, tasks = prepare(annotations, results, tasks)
    classes = truth.classes.regrouped(groups) if groups else truth.classes
    ground_truth = truth.to_coco(with_masks="segm" in tasks)
    scores = {}
    with truth.numbered(results) as numbered:
        detections = ground_truth.load_res(str(numbered.path))
    for task in tasks:
        if task == "segm":
            use_mask_areas(detections, results)
        precision, recall = _precision_and_recall(ground_truth, detections, task)
        score = _task_score(precision, classes, list(groups or ()))
        scores[task] = replace(score, curves=class_curves(precision, recall))
    return as_evaluation(truth, classes, scores)


def _precision_and_recall(
    ground_truth: COCO, detections: COCO, task: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision (T, R, C, A) and recall (T, C, A)."""
    evaluation = COCOeval(ground_truth, detections, task)
    evaluation.evaluate()
    found = accumulated(evaluation)
    return found["precision"][..., LARGEST_LIMIT], found["recall"][..., LARGEST_LIMIT]


def _task_score(precision: np.ndarray, classes: ClassTable, groups: list[str]) -> TaskScore:
    metrics = average_precisions(precision)
    class_ap = {"AP": class_means(precision[..., ALL_AREAS])}
    if groups:
        class_ap["AP50"] = class_means(precision[IOU_50, ..., ALL_AREAS])
        metrics |= group_means(class_ap["AP50"], classes, groups)
    return TaskScore(metrics, class_ap, reports_classes=True)


def group_means(
    class_ap50: np.ndarray, classes: ClassTable, groups: Sequence[str]
) -> dict[str, float]:
    """Return ``AP50-<group>`` of each group, and ``AP50-all`` of the classes of all groups.

    The published numbers are plain means, so one class without ground truth makes a mean NaN.

    Args:
        class_ap50: (C,) percent or NaN.
        classes: C classes, which know their groups. With fewer than two there are no means.
        groups: names of the groups.
    """
    if len(classes) < 2:
        return {}
    members = {group: classes.members(group) for group in groups}
    members["all"] = [index for group in groups for index in members[group]]
    return {f"AP50-{group}": _plain_mean(class_ap50[of]) for group, of in members.items()}


def _plain_mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
