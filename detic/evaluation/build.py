"""Choosing the evaluator of a dataset."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detic.datasets.class_lists import zeroshot_split
from detic.errors import InputError, unknown_choice
from detic.evaluation.coco_protocol import score_coco
from detic.evaluation.cutouts import Draw, draw_rectangles
from detic.evaluation.evaluation_set import EvaluationSet, category_ids, registered_set
from detic.evaluation.evaluator import DetectionEvaluator, Protocol
from detic.evaluation.ground_truth import check_is_file
from detic.evaluation.lvis_protocol import score_lvis
from detic.evaluation.openimages_protocol import score_openimages
from detic.evaluation.prediction_log import PredictionLog
from detic.evaluation.report import write_report
from detic.paths import dataset_path

TASKS = ("bbox", "segm")
HIERARCHY = "datasets/oid/annotations/challenge-2019-label500-hierarchy.json"
NEEDS_HIERARCHY = "oid_val_expanded"  # `detic data check` tells of it with this dataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreOptions:
    """What can be chosen about scoring."""

    tasks: tuple[str, ...] = TASKS
    fixed_ap: bool = False  # LVIS: add AP without a limit of detections per image
    hierarchy_file: Path | None = None  # Open Images; None: where the datasets are


def build_evaluator(
    dataset_name: str,
    output_dir: str | Path,
    *,
    tasks: Sequence[str] = TASKS,
    fixed_ap: bool = False,
    force_lvis: bool = False,
    hierarchy_file: str | Path | None = None,
    resume: bool = False,
    origin: Mapping[str, str] | None = None,
    report: bool = True,
    draw: Draw = draw_rectangles,
) -> DetectionEvaluator:
    """Return the evaluator of a registered dataset.

    Args:
        dataset_name: its metadata says how it is evaluated (``evaluator_type``: lvis, coco, oid)
            and where its annotations are (``json_file``).
        output_dir: where detections and results are written.
        tasks: bbox, segm.
        fixed_ap: whether to add AP without a limit of detections per image; for LVIS.
        force_lvis: whether to evaluate as LVIS whatever the metadata says.
        hierarchy_file: the class hierarchy of Open Images, by default where the datasets are.
        resume: whether to keep the detections that an interrupted run left in ``output_dir``.
        origin: what detections depend on besides the dataset, such as the weights, by name; a run
            is only resumed with the same.
        report: whether to write report.html.
        draw: puts boxes into the images of the report.

    Raises:
        InputError: the dataset cannot be evaluated so, its annotations are missing, or the run to
            resume was another one.
    """
    evaluation_set = registered_set(dataset_name, "lvis" if force_lvis else None)
    options = ScoreOptions(
        tasks=tuple(tasks),
        fixed_ap=fixed_ap,
        hierarchy_file=Path(hierarchy_file) if hierarchy_file else None,
    )
    protocol = choose_protocol(evaluation_set, options)
    output_dir = Path(output_dir)
    run = {
        "dataset": dataset_name,
        "annotations": str(evaluation_set.annotation_file),
        "tasks": sorted(tasks),
        **(origin or {}),
    }
    writer = partial(
        write_report,
        dataset_name=dataset_name,
        origin={"weights": (origin or {}).get("MODEL.WEIGHTS", "")},
        image_files=evaluation_set.image_files,
        draw=draw,
    )
    return DetectionEvaluator(
        dataset_name=dataset_name,
        protocol=protocol,
        log=PredictionLog(output_dir / "predictions", run=run, resume=resume),
        category_ids=category_ids(evaluation_set),
        with_masks="segm" in tasks,
        output_dir=output_dir,
        write_report=writer if report else None,
    )


def choose_protocol(evaluation_set: EvaluationSet, options: ScoreOptions) -> Protocol:
    """Return the way to score detections on a dataset.

    Raises:
        InputError: there is none, the options do not go with it, or the annotations are missing.
    """
    name, kind = evaluation_set.name, evaluation_set.kind
    if kind == "imagenet":
        raise InputError(
            f"dataset '{name}' has labels of whole images and no boxes, so detections cannot be "
            "evaluated on it; choose a dataset with boxes for DATASETS.TEST"
        )
    if kind not in PROTOCOLS:
        where = f"metadata of dataset '{name}'"
        raise unknown_choice("evaluator_type", kind, PROTOCOLS, where=where)
    for task in options.tasks:
        if task not in TASKS:
            raise unknown_choice("task", task, TASKS)
    if not options.tasks:
        raise InputError(f"no task to evaluate on '{name}'; choose bbox, segm or both")
    if options.fixed_ap and kind != "lvis":
        raise InputError(
            f"fixed AP is defined for LVIS, and dataset '{name}' is evaluated as {kind}; leave it "
            "out"
        )
    check_is_file(evaluation_set.annotation_file)
    return PROTOCOLS[kind](evaluation_set, options)


def _lvis(of: EvaluationSet, options: ScoreOptions) -> Protocol:
    score = partial(score_lvis, of.annotations, tasks=options.tasks, fixed_ap=options.fixed_ap)
    return Protocol("lvis_instances_results.json", score)


def _coco(of: EvaluationSet, options: ScoreOptions) -> Protocol:
    groups = zeroshot_split() if of.is_open_vocabulary else None
    score = partial(score_coco, of.annotations, tasks=options.tasks, groups=groups)
    return Protocol("coco_instances_results.json", score)


def _openimages(of: EvaluationSet, options: ScoreOptions) -> Protocol:
    hierarchy_file: Path | None = options.hierarchy_file or dataset_path(HIERARCHY)
    if hierarchy_file is not None and not hierarchy_file.is_file():
        missing = (
            f"class hierarchy {hierarchy_file} not found; `detic data check "
            f"{NEEDS_HIERARCHY}` tells where to get it"
        )
        if options.hierarchy_file:
            raise InputError(missing)
        logger.warning("%s; AP50_expand is left out", missing)
        hierarchy_file = None
    score = partial(
        score_openimages, of.annotations, tasks=options.tasks, hierarchy_file=hierarchy_file
    )
    return Protocol("oid_instances_results.json", score, class_array_name="oid_mAP.npy")


PROTOCOLS: dict[str, Callable[[EvaluationSet, ScoreOptions], Protocol]] = {
    "lvis": _lvis,
    "coco": _coco,
    "oid": _openimages,
}
