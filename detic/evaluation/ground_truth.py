"""Annotation files in the formats of COCO and LVIS, opened for scoring."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from hotcoco import COCO, COCOeval

from detic.errors import InputError
from detic.evaluation.results_file import ResultsFile, check_fits
from detic.evaluation.scores import ClassTable, Evaluation, TaskScore, class_table

NUM_SAMPLED_FOR_MASKS = 1000  # annotations looked at to learn whether a file has masks

logger = logging.getLogger(__name__)


def prepare(
    annotation_file: str | Path, results: ResultsFile, tasks: Sequence[str]
) -> tuple[COCO, ClassTable, list[str]]:
    """Return the ground truth, its classes, and the tasks that can be scored, boxes first.

    Raises:
        InputError: the file is malformed, or the detections do not fit it.
    """
    ground_truth = read_ground_truth(annotation_file)
    tasks = tasks_to_score(tasks, has_masks(ground_truth), annotation_file)
    classes = classes_of(ground_truth)
    check_fits(results, ground_truth.imgs, classes.ids, tasks, annotation_file)
    return ground_truth, classes, tasks


def use_mask_areas(detections: COCO, results: ResultsFile) -> None:
    """Make the size of a detection that of its mask; loaded with a box, it was the box's."""
    if results.mask_areas is not None and len(results):
        ids = np.array(detections.get_ann_ids())  # positions in the file, from 1
        detections.update_anns(ids=ids, area=results.mask_areas[ids - 1])


def accumulated(evaluation: COCOeval) -> dict[str, np.ndarray]:
    """Return precision (T, R, K, A, M) and recall (T, K, A, M) of images that were evaluated."""
    evaluation.accumulate()
    return cast(dict[str, np.ndarray], evaluation.eval)


def as_evaluation(
    ground_truth: COCO, classes: ClassTable, scores: dict[str, TaskScore]
) -> Evaluation:
    """Return scores together with the ground truth they refer to."""
    return Evaluation(
        classes=classes,
        tasks=scores,
        num_images=len(ground_truth.imgs),
        annotations_of_class=partial(annotations_of_class, ground_truth),
    )


def read_ground_truth(path: str | Path) -> COCO:
    """Return the content of an annotation file.

    Raises:
        InputError: it is missing, malformed, or without images or categories.
    """
    check_is_file(path)
    try:
        ground_truth = COCO(str(path))
    except ValueError as error:
        raise InputError(
            f"{path} is not an annotation file in COCO's or LVIS's format: {error}"
        ) from error
    for section, content in (("images", ground_truth.imgs), ("categories", ground_truth.cats)):
        if not content:
            raise InputError(
                f"{path} has no {section}; expected an annotation file in COCO's or LVIS's format"
            )
    for warning in ground_truth.load_warnings:
        logger.warning("%s: %s", path, warning)
    return ground_truth


def check_is_file(path: str | Path) -> None:
    """Check that an annotation file is there, before hours are spent on predictions."""
    if not Path(path).is_file():
        raise InputError(
            f"annotation file {path} not found; `detic data check` tells how to get or "
            "make the files of a dataset"
        )


def classes_of(ground_truth: COCO) -> ClassTable:
    """Return the classes of an annotation file with the number of instances that are no crowd."""
    counted = ground_truth.stats()["per_category"]
    num_gt = {entry["id"]: entry["ann_count"] - entry["crowd_count"] for entry in counted}
    return class_table(list(ground_truth.cats.values()), num_gt)


def annotations_of_class(ground_truth: COCO, category_id: int) -> list[dict]:
    """Return the annotations of a class that are no crowd."""
    return ground_truth.load_anns(ground_truth.get_ann_ids(cat_ids=[category_id], iscrowd=False))


def has_masks(ground_truth: COCO) -> bool:
    """Return whether the first annotations have masks."""
    annotations = ground_truth.load_anns(ground_truth.get_ann_ids()[:NUM_SAMPLED_FOR_MASKS])
    return any(annotation.get("segmentation") for annotation in annotations)


def tasks_to_score(tasks: Sequence[str], masks_annotated: bool, path: str | Path) -> list[str]:
    """Return the tasks that the annotations allow, boxes first.

    Raises:
        InputError: only masks are to be scored, and the file has none.
    """
    if masks_annotated or "segm" not in tasks:
        return sorted(tasks)
    if "bbox" not in tasks:
        raise InputError(f"{path} lacks masks, so task segm cannot be scored; choose bbox")
    logger.warning("%s lacks masks: only boxes are evaluated", path)
    return ["bbox"]
