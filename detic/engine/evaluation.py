"""Evaluation of a model on the test sets of a recipe."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.evaluation import inference_context, print_csv_format
from detectron2.utils import comm
from torch import Tensor, nn
from tqdm import tqdm

from detic.datasets.own_data import check_class_order, register_own_data
from detic.engine.evaluation_classes import class_embeddings
from detic.errors import InputError
from detic.evaluation import DetectionEvaluator, build_evaluator
from detic.loading.build import build_test_loader
from detic.modeling.roi_heads.zero_shot_classifier import with_background
from detic.modeling.supervision import BatchVocabulary

FIXED_AP_DETECTIONS = 1000  # per image at least, if TEST.FIXED_AP is set

logger = logging.getLogger(__name__)

Results = dict[str, dict[str, dict[str, float]]]  # dataset, task, metric


def evaluate_model(cfg, model: nn.Module, *, resume: bool = False, report: bool = True) -> Results:
    """Return the results on all of ``DATASETS.TEST`` (empty but in the main process).

    Args:
        model: not wrapped for parallel training.
        resume: skip the images that an interrupted evaluation of the same weights has finished.
        report: write a page with tables and images too.
    """
    register_own_data(cfg)
    if not (cfg.TEST.VOCABULARIES or cfg.MODEL.RESET_CLS_TESTS):
        check_class_order(cfg, cfg.DATASETS.TEST)
    # All before the first set, so that mistakes show before hours are spent.
    classes = [class_embeddings(cfg, i, model) for i in range(len(cfg.DATASETS.TEST))]
    results = {}
    for name, embeddings in zip(cfg.DATASETS.TEST, classes, strict=True):
        evaluator = build_evaluator(
            name,
            Path(cfg.OUTPUT_DIR) / f"inference_{name}",
            tasks=("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",),
            fixed_ap=cfg.TEST.FIXED_AP,
            force_lvis=cfg.GEN_PSEDO_LABELS,
            resume=resume,
            origin=_origin(cfg, model, embeddings),
            report=report,
        )
        results[name] = _evaluate_dataset(cfg, model, name, embeddings, evaluator)
    return results if comm.is_main_process() else {}


def flat_metrics(results: Results) -> dict[str, float]:
    """Return results as ``task/metric``, after ``dataset/`` if there are several datasets."""
    return {
        (f"{dataset}/" if len(results) > 1 else "") + f"{task}/{metric}": value
        for dataset, tasks in results.items()
        for task, metrics in tasks.items()
        for metric, value in metrics.items()
    }


def _evaluate_dataset(
    cfg,
    model: nn.Module,
    name: str,
    embeddings: Tensor | None,
    evaluator: DetectionEvaluator,
) -> dict[str, dict[str, float]]:
    finished = evaluator.finished_image_ids()
    loader = build_test_loader(cfg, name, skip_image_ids=finished)
    logger.info("%s: %d images to go, %d finished", name, len(loader.dataset), len(finished))
    vocabulary = BatchVocabulary()
    if embeddings is not None:
        vocabulary = BatchVocabulary(embeddings=with_background(embeddings).to(model.device))
    evaluator.reset()
    limit = _enough_detections(cfg, model.roi_heads)
    with inference_context(model), torch.no_grad(), limit:
        for batch in tqdm(loader, name, unit="img", disable=not comm.is_main_process()):
            evaluator.process(batch, model.inference(batch, vocabulary))
    results = evaluator.evaluate() or {}
    print_csv_format(results)
    return results


@contextmanager
def _enough_detections(cfg, heads: nn.Module) -> Iterator[None]:
    """Let the heads report more than TEST.DETECTIONS_PER_IMAGE for a while if TEST.FIXED_AP is set.

    Fixed AP ranks detections over the whole dataset, so those of an image must not be cut early.
    """
    if cfg.TEST.FIXED_AP and not hasattr(heads, "score_params"):
        raise InputError(
            "TEST.FIXED_AP needs the heads DeticCascadeROIHeads or CustomRes5ROIHeads, not "
            f"{type(heads).__name__}, whose limit of detections per image is fixed"
        )
    params = heads.score_params if cfg.TEST.FIXED_AP else None
    if params is None or not 0 <= params.max_detections < FIXED_AP_DETECTIONS:
        yield
        return
    logger.info(
        "TEST.FIXED_AP: the model keeps %d detections of an image instead of %d "
        "(TEST.DETECTIONS_PER_IMAGE)",
        *(FIXED_AP_DETECTIONS, params.max_detections),
    )
    heads.score_params = replace(params, max_detections=FIXED_AP_DETECTIONS)
    try:
        yield
    finally:
        heads.score_params = params


def _origin(cfg, model: nn.Module, embeddings: Tensor | None) -> dict[str, str]:
    """Return what detections depend on besides the data: configuration, weights and classes.

    Args:
        embeddings: the classes (C, D) of the test set; None: the model's own.
    """
    settings: dict[str, str] = {}
    for name in ("MODEL", "INPUT", "TEST"):
        settings |= _settings(cfg[name], name)
    weights = Path(cfg.MODEL.WEIGHTS)
    if weights.is_file():
        status = weights.stat()
        written = f"{status.st_size} bytes written at {status.st_mtime_ns} ns"
        settings["the file of MODEL.WEIGHTS"] = written
    if embeddings is None and cfg.MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS:
        embeddings = model.roi_heads.classifier.zs_weight
    if embeddings is not None:
        contents = embeddings.detach().cpu().contiguous().numpy()
        settings["class embeddings"] = hashlib.sha256(contents).hexdigest()[:16]
    return settings


def _settings(node: CfgNode, name: str) -> dict[str, str]:
    """Return the keys of a node and of those in it, with their values."""
    settings = {}
    for key, value in node.items():
        if isinstance(value, CfgNode):
            settings |= _settings(value, f"{name}.{key}")
        else:
            settings[f"{name}.{key}"] = str(value)
    return settings
