"""Choosing the evaluator of a dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from detic.data.class_lists import zeroshot_split
from detic.data.specs import HIERARCHY
from detic.errors import InputError
from detic.evaluation.coco import score_coco
from detic.evaluation.evaluator import DetectionEvaluator, Protocol
from detic.evaluation.ground_truth import check_is_file, read_ground_truth
from detic.evaluation.lvis import score_lvis
from detic.evaluation.openimages import has_hierarchy, score_openimages
from detic.evaluation.pictures import Draw, draw_rectangles
from detic.evaluation.prediction_log import PredictionLog
from detic.evaluation.report import write_report
from detic.evaluation.results_file import ImageId
from detic.paths import datasets_root
from detic.vocabulary.choices import unknown_choice

TASKS = ("bbox", "segm")
OPEN_VOCABULARY_COCO = "coco_generalized_zeroshot_val"  # the one set with seen and unseen classes


@dataclass(frozen=True)
class ScoreOptions:
    """What can be chosen about scoring."""

    tasks: tuple[str, ...] = TASKS
    fixed_ap: bool = False  # LVIS: add AP without a limit of detections per image
    open_vocabulary: bool = False  # COCO: add means over the seen and the unseen classes
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
    run_key: str = "",
    report: bool = True,
    draw: Draw = draw_rectangles,
) -> DetectionEvaluator:
    """Return the evaluator of a registered dataset.

    Args:
        dataset_name: its metadata says how it is evaluated (`evaluator_type`: lvis, coco, oid) and
            where its annotations are (`json_file`).
        output_dir: where detections and results are written.
        tasks: bbox, segm.
        fixed_ap: whether to add AP without a limit of detections per image; for LVIS.
        force_lvis: whether to evaluate as LVIS whatever the metadata says.
        hierarchy_file: the class hierarchy of Open Images, by default where the datasets are.
        resume: whether to keep the detections that an interrupted run left in `output_dir`.
        run_key: what detections depend on besides the dataset, such as the weights; a run is only
            resumed with the same.
        report: whether to write report.html.
        draw: puts boxes into the pictures of the report.

    Raises:
        InputError: the dataset cannot be evaluated so, its annotations are missing, or the run to
            resume was another one.
    """
    metadata = MetadataCatalog.get(dataset_name)
    kind = "lvis" if force_lvis else metadata.get("evaluator_type")
    options = ScoreOptions(
        tasks=tuple(tasks),
        fixed_ap=fixed_ap,
        open_vocabulary=dataset_name == OPEN_VOCABULARY_COCO,
        hierarchy_file=Path(hierarchy_file) if hierarchy_file else None,
    )
    protocol = choose_protocol(kind, dataset_name, metadata.get("json_file"), options)
    output_dir = Path(output_dir)
    run = {
        "dataset": dataset_name,
        "annotations": str(metadata.json_file),
        "tasks": sorted(tasks),
        "run_key": run_key,
    }
    writer = partial(
        write_report,
        dataset_name=dataset_name,
        image_files=partial(image_files, dataset_name),
        draw=draw,
    )
    return DetectionEvaluator(
        dataset_name=dataset_name,
        protocol=protocol,
        log=PredictionLog(output_dir / "predictions", run=run, resume=resume),
        category_ids=category_ids(metadata),
        with_masks="segm" in tasks,
        output_dir=output_dir,
        write_report=writer if report else None,
    )


def choose_protocol(
    kind: str | None, dataset_name: str, annotation_file: str | Path, options: ScoreOptions
) -> Protocol:
    """Return the way to score detections on a dataset.

    Args:
        kind: lvis, coco or oid.
        dataset_name: for messages.
        annotation_file: has to be there.
        options: what to score.

    Raises:
        InputError: there is no such way, or the options do not go with it.
    """
    if kind == "imagenet":
        raise InputError(
            f"dataset '{dataset_name}' has labels of whole images and no boxes, so detections "
            "cannot be evaluated on it; choose a dataset with boxes for DATASETS.TEST"
        )
    if kind not in PROTOCOLS:
        raise unknown_choice(
            "evaluator_type", str(kind), PROTOCOLS, where=f"metadata of dataset '{dataset_name}'"
        )
    for task in options.tasks:
        if task not in TASKS:
            raise unknown_choice("task", task, TASKS)
    if not options.tasks:
        raise InputError(f"no task to evaluate on '{dataset_name}'; choose bbox, segm or both")
    if options.fixed_ap and kind != "lvis":
        raise InputError(
            f"fixed AP is defined for LVIS, and dataset '{dataset_name}' is evaluated as {kind}; "
            "leave it out"
        )
    check_is_file(annotation_file)
    return PROTOCOLS[kind](annotation_file, options)


def _lvis(annotation_file: str | Path, options: ScoreOptions) -> Protocol:
    score = partial(score_lvis, annotation_file, tasks=options.tasks, fixed_ap=options.fixed_ap)
    return Protocol("lvis_instances_results.json", score)


def _coco(annotation_file: str | Path, options: ScoreOptions) -> Protocol:
    groups = zeroshot_split() if options.open_vocabulary else None
    score = partial(score_coco, annotation_file, tasks=options.tasks, groups=groups)
    return Protocol("coco_instances_results.json", score)


def _openimages(annotation_file: str | Path, options: ScoreOptions) -> Protocol:
    hierarchy_file = options.hierarchy_file or datasets_root() / HIERARCHY
    has_hierarchy(hierarchy_file)  # a warning now is of more use than after the predictions
    score = partial(
        score_openimages, annotation_file, tasks=options.tasks, hierarchy_file=hierarchy_file
    )
    return Protocol("oid_instances_results.json", score, class_array_name="oid_mAP.npy")


PROTOCOLS: dict[str, Callable[[str | Path, ScoreOptions], Protocol]] = {
    "lvis": _lvis,
    "coco": _coco,
    "oid": _openimages,
}


def category_ids(metadata) -> list[int]:
    """Return the category id of each class index: by the metadata's map, else by rank of the ids.

    Args:
        metadata: a dataset's, with `json_file` and maybe `thing_dataset_id_to_contiguous_id`.
    """
    index_of = metadata.get("thing_dataset_id_to_contiguous_id")
    if index_of:
        return sorted(index_of, key=index_of.__getitem__)
    return sorted(read_ground_truth(metadata.json_file).cats)


def image_files(dataset_name: str) -> Mapping[ImageId, str]:
    """Return the image files of a registered dataset by image id, without images in archives."""
    records = DatasetCatalog.get(dataset_name)
    return {record["image_id"]: record["file_name"] for record in records if "file_name" in record}
