"""Open Images challenge 2019: AP50 with verified labels, group-of boxes and the class hierarchy.

I images, C classes, M annotations, N detections. The metrics are fractions, as the challenge gives
them.

Source: Kuznetsova et al., The Open Images Dataset V4, arXiv 1811.00982, and its 2019 challenge.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detic.evaluation.ground_truth import Annotations, tasks_to_score
from detic.evaluation.openimages_ap import (
    KeyedAnnotations,
    KeyedDetections,
    class_average_precisions,
)
from detic.evaluation.openimages_hierarchy import read_reach
from detic.evaluation.openimages_truth import VerifiedImages, read_verified_images
from detic.evaluation.results_file import ResultsFile, check_fits, top_per_group
from detic.evaluation.scores import Evaluation, TaskScore, class_table

DETECTIONS_PER_IMAGE = 300  # as the released models were scored

logger = logging.getLogger(__name__)


def score_openimages(
    annotations: Annotations,
    results: ResultsFile,
    tasks: Sequence[str] = ("bbox", "segm"),
    *,
    hierarchy_file: str | Path | None,
) -> Evaluation:
    """Return AP50 and, for boxes alone, AP50 with classes expanded to their ancestors.

    With masks the metrics are ``AP50`` and ``AP50_segm``, without ``AP50`` and ``AP50_expand``; all
    are fractions.

    Args:
        annotations: a file in COCO's format, or its content, with ``neg_category_ids`` and ``pos_category_ids`` of
            each image and group-of boxes marked by ``iscrowd``.
        results: the detections; the 300 highest-scoring of each image count.
        tasks: bbox, segm.
        hierarchy_file: the class hierarchy, None for no ``AP50_expand``.

    Raises:
        InputError: a file is malformed, or they do not fit together.
    """
    truth = read_verified_images(annotations)
    path = truth.content.path
    tasks = tasks_to_score(tasks, truth.has_masks, path)
    check_fits(results, truth.images, truth.category_ids, tasks, path)
    not_expanded = np.eye(len(truth.category_ids), dtype=bool)
    runs = {{"bbox": "AP50", "segm": "AP50_segm"}[task]: (task, not_expanded) for task in tasks}
    if tasks == ["bbox"] and hierarchy_file:
        runs["AP50_expand"] = ("bbox", read_reach(hierarchy_file, truth.index_of_freebase_id))
    class_ap = {name: _class_ap(truth, results, *run) for name, run in runs.items()}
    num_gt = Counter(annotation["category_id"] for annotation in truth.annotations)
    _log_instance_means(class_ap, np.array([num_gt[i] for i in truth.category_ids]))
    metrics = {name: _mean_of_annotated(values) for name, values in class_ap.items()}
    percent = {name: 100 * values for name, values in class_ap.items()}
    return Evaluation(
        classes=class_table(truth.content.categories, num_gt),
        tasks={tasks[0]: TaskScore(metrics, percent, metrics_scale=1.0)},
        num_images=len(truth.images),
        annotations_of_class=truth.annotations_of_class,
    )


def _class_ap(
    truth: VerifiedImages, results: ResultsFile, task: str, reach: np.ndarray
) -> np.ndarray:
    """Return AP50 of each class, (C,) fractions or NaN, with detections expanded by ``reach``."""
    annotations = KeyedAnnotations(
        keys=truth.keys(
            truth.image_indices([a["image_id"] for a in truth.annotations]),
            np.array([a["category_id"] for a in truth.annotations], dtype=np.int64),
        ),
        shapes=truth.shapes(truth.annotations, task),
        is_group=np.array([bool(a.get("iscrowd", 0)) for a in truth.annotations], dtype=bool),
    )
    counted = top_per_group(results.image_indices, results.scores, DETECTIONS_PER_IMAGE)
    useful = (truth.is_verified.astype(np.float32) @ reach.T.astype(np.float32)) > 0  # (I, C)
    image_indices = truth.image_indices(results.image_ids)[results.image_indices]
    keys = truth.keys(image_indices, results.category_ids)
    keep = counted & useful.reshape(-1)[keys]
    shapes = truth.shapes(list(results.rows(keep)), task)
    detections = KeyedDetections(keys[keep], shapes, results.scores[keep])
    detections = _expanded(detections, reach)
    verified = truth.is_verified.reshape(-1)[detections.keys]
    return class_average_precisions(annotations, detections[verified], len(reach))


def _expanded(detections: KeyedDetections, reach: np.ndarray) -> KeyedDetections:
    """Return the detections repeated for each class that theirs belongs to.

    Args:
        detections: N.
        reach: (C, C) bool, row c has the classes that class c belongs to.
    """
    num_classes = len(reach)
    images, classes = np.divmod(detections.keys, num_classes)
    belongs_to = [np.flatnonzero(row) for row in reach]
    repeated = np.repeat(np.arange(len(classes)), reach.sum(axis=1)[classes])
    targets = [belongs_to[index] for index in classes.tolist()]
    new_classes = np.concatenate(targets) if targets else np.zeros(0, dtype=np.int64)
    return KeyedDetections(
        keys=images[repeated] * num_classes + new_classes,
        shapes=detections.shapes[repeated],
        scores=detections.scores[repeated],
    )


def _mean_of_annotated(class_ap: np.ndarray) -> float:
    annotated = class_ap[~np.isnan(class_ap)]
    return float(annotated.mean()) if annotated.size else float("nan")


def _log_instance_means(class_ap: dict[str, np.ndarray], num_gt: np.ndarray) -> None:
    """Log the mean over classes weighted by how many annotations each has."""
    for name, values in class_ap.items():
        if num_gt.any():
            mean = np.nansum(num_gt * values) / num_gt.sum()
            logger.info("%s weighted by instances: %.2f%%", name, 100 * mean)
