"""Evaluation of a model on the test sets of a recipe."""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch
from detectron2.data import MetadataCatalog
from detectron2.evaluation import inference_context, print_csv_format
from detectron2.utils import comm
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from detic.data import build_test_loader
from detic.errors import InputError
from detic.evaluation import build_evaluator
from detic.modeling.supervision import BatchVocabulary
from detic.paths import dataset_path
from detic.rendering import draw_report_picture
from detic.vocabulary import Vocabulary, embed, find_vocabulary, read_embeddings

logger = logging.getLogger(__name__)

Results = dict[str, dict[str, dict[str, float]]]  # dataset, task, metric


def evaluate_model(cfg, model: nn.Module, resume: bool = False) -> Results:
    """Return the results on all of ``DATASETS.TEST`` (empty but in the main process).

    Args:
        model: not wrapped for parallel training.
        resume: skip the images that an interrupted evaluation of the same weights has finished.
    """
    results = {}
    for i, name in enumerate(cfg.DATASETS.TEST):
        results[name] = _evaluate_dataset(cfg, model, name, _test_embeddings(cfg, i), resume)
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
    cfg, model: nn.Module, name: str, embeddings: Tensor | None, resume: bool
) -> dict[str, dict[str, float]]:
    evaluator = build_evaluator(
        name,
        Path(cfg.OUTPUT_DIR) / f"inference_{name}",
        tasks=("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",),
        fixed_ap=cfg.TEST.FIXED_AP,
        force_lvis=cfg.GEN_PSEDO_LABELS,
        resume=resume,
        run_key=cfg.MODEL.WEIGHTS,
        draw=draw_report_picture,
    )
    finished = evaluator.finished_image_ids()
    loader = build_test_loader(cfg, name, skip_image_ids=finished)
    logger.info("%s: %d images to go, %d finished", name, len(loader.dataset), len(finished))
    evaluator.reset()
    with inference_context(model), torch.no_grad():
        for batch in _with_progress(loader, name):
            vocabulary = _batch_vocabulary(embeddings, model)
            evaluator.process(batch, model.inference(batch, vocabulary))
    results = evaluator.evaluate() or {}
    if comm.is_main_process():
        print_csv_format(results)
    return results
