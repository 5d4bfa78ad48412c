"""Evaluation of a model on test sets."""

import hashlib
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from detectron2.evaluation import inference_context, print_csv_format
from detectron2.utils import comm

from detic.errors import InputError
from detic.evaluation import DetectionEvaluator, build_evaluator
from detic.files import fingerprint
from detic.loading.build import build_test_loader
from detic.loading.image_reader import image_name
from detic.loading.unreadable import FILE_NAME, UnreadableImages
from detic.memory_errors import is_out_of_memory
from detic.modeling.build import DetectionModel
from detic.modeling.request import DetectionRequest, RequestedClasses
from detic.modeling.roi_heads.classifier import class_columns
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.paths import as_file_name
from detic.plan.evaluation import EvaluationPlan, TestSet
from detic.progress import track

logger = logging.getLogger(__name__)

Results = dict[str, dict[str, dict[str, float]]]  # dataset, task, metric
# Is given the name of a test set, images of it and what the model found, by the main process
Look = Callable[[str, list[dict], list[dict]], None]


def evaluate_model(
    plan: EvaluationPlan,
    model: DetectionModel,
    *,
    resume: bool = False,
    report: bool = True,
    look: Look | None = None,
) -> Results:
    """Return the results on all test sets (empty but in the main process).

    Args:
        model: not wrapped for parallel training.
        resume: skip the images that an interrupted evaluation of the same weights has finished.
        report: write a page with tables and images too.
        look: is called with each batch.
    """
    results = {}
    for test_set in plan.sets:
        evaluator = build_evaluator(
            test_set.name,
            plan.output_dir / f"inference_{as_file_name(test_set.name)}",
            tasks=plan.tasks,
            fixed_ap=plan.fixed_ap,
            force_lvis=plan.force_lvis,
            resume=resume,
            origin=_origin(plan, model, test_set),
            report=report,
        )
        results[test_set.name] = _evaluate_set(plan, model, test_set, evaluator, look)
    return results if comm.is_main_process() else {}


def flat_metrics(results: Results) -> dict[str, float]:
    """Return results as ``task/metric``, after ``dataset/`` if there are several datasets."""
    return {
        (f"{dataset}/" if len(results) > 1 else "") + f"{task}/{metric}": value
        for dataset, tasks in results.items()
        for task, metrics in tasks.items()
        for metric, value in metrics.items()
    }


def _evaluate_set(
    plan: EvaluationPlan,
    model: DetectionModel,
    test_set: TestSet,
    evaluator: DetectionEvaluator,
    look: Look | None,
) -> dict[str, dict[str, float]]:
    finished = evaluator.finished_image_ids()
    loader = build_test_loader(plan.data, test_set.name, skip_image_ids=finished)
    logger.info("%s: %d images to go, %d finished", test_set.name, len(loader), len(finished))
    request = _request(plan, test_set, model)
    evaluator.reset()
    unreadable = UnreadableImages(plan.data.max_bad_fraction)
    if comm.is_main_process():
        unreadable.count(len(finished), ())
    with ExitStack() as stack:
        stack.callback(unreadable.write, plan.output_dir)
        stack.enter_context(inference_context(model))
        stack.enter_context(torch.no_grad())
        for batch in track(loader, test_set.name, unit="img", show=comm.is_main_process()):
            images = unreadable.readable(batch)
            if images:
                found = _detections(model, images, request)
                evaluator.process(images, found)
                if look is not None and comm.is_main_process():
                    look(test_set.name, images, found)
    total = unreadable.together(comm.all_gather(unreadable))
    total.check()
    results = evaluator.evaluate() or {}
    print_csv_format(results)
    _warn_of(total, test_set.name)
    return results


def _detections(model: DetectionModel, images: list[dict], request: DetectionRequest) -> list[dict]:
    """Return what the model finds; where the memory does not suffice, the error names the images."""
    try:
        return model.inference(images, request)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        names = ", ".join(f"{image_name(x)} ({x['width']} x {x['height']})" for x in images)
        raise InputError(
            f"detection in {names} needs more memory than there is; free some, or take it out of the "
            "dataset, and go on with --resume-eval"
        ) from error


def _warn_of(unreadable: UnreadableImages, dataset_name: str) -> None:
    """Say after the scores that they are those of a pass in which images were missing."""
    if unreadable.num_unreadable:
        logger.warning(
            "%s: %d of %d images could not be read and were scored as images in which nothing was "
            "detected; %s lists them",
            dataset_name,
            unreadable.num_unreadable,
            unreadable.num_seen,
            FILE_NAME,
        )


def _request(plan: EvaluationPlan, test_set: TestSet, model: DetectionModel) -> DetectionRequest:
    """Return what the model is asked for on a test set."""
    if plan.max_detections is not None:
        logger.info(
            "TEST.FIXED_AP: the model keeps %d detections of an image, more than "
            "TEST.DETECTIONS_PER_IMAGE",
            plan.max_detections,
        )
    classes = None
    if test_set.embeddings is not None:
        columns = class_columns(model.classifier, test_set.embeddings)
        classes = RequestedClasses(columns)
    return DetectionRequest(
        classes=classes, max_detections=plan.max_detections, precision=plan.precision
    )


def _origin(plan: EvaluationPlan, model: DetectionModel, test_set: TestSet) -> dict[str, str]:
    """Return what detections depend on besides the data: configuration, weights and classes."""
    settings = dict(plan.settings)
    weights = Path(plan.weights.path)
    if weights.is_file():
        size, written = fingerprint(weights)
        settings["the file of MODEL.WEIGHTS"] = f"{size} bytes written at {written} ns"
    embeddings = test_set.embeddings
    if embeddings is None and plan.zero_shot:
        assert isinstance(model.classifier, ZeroShotClassifier)
        embeddings = model.classifier.zs_weight
    if embeddings is not None:
        contents = embeddings.detach().cpu().contiguous().numpy()
        settings["class embeddings"] = hashlib.sha256(contents).hexdigest()[:16]
    return settings
