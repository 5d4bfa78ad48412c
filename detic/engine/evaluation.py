"""Evaluation of a model on the test sets of a recipe."""

import hashlib
import logging
from pathlib import Path

import torch
from detectron2.data import MetadataCatalog
from detectron2.evaluation import inference_context, print_csv_format
from detectron2.utils import comm
from torch import Tensor, nn
from tqdm import tqdm

from detic.data import build_test_loader
from detic.data.own_data import check_class_order, register_own_data
from detic.errors import InputError
from detic.evaluation import DetectionEvaluator, build_evaluator
from detic.modeling.roi_heads.zero_shot_classifier import with_background
from detic.modeling.supervision import BatchVocabulary
from detic.paths import dataset_path
from detic.predictor.vocabulary_reader import VocabularyReader
from detic.vocabulary import Vocabulary, read_embeddings

logger = logging.getLogger(__name__)

Results = dict[str, dict[str, dict[str, float]]]  # dataset, task, metric


def evaluate_model(cfg, model: nn.Module, *, resume: bool = False, report: bool = True) -> Results:
    """Return the results on all of ``DATASETS.TEST`` (empty but in the main process).

    Args:
        model: not wrapped for parallel training.
        resume: skip the images that an interrupted evaluation of the same weights has finished.
        report: write a page with tables and pictures too.
    """
    register_own_data(cfg)
    if not (cfg.TEST.VOCABULARIES or cfg.MODEL.RESET_CLS_TESTS):
        check_class_order(cfg, cfg.DATASETS.TEST)
    results = {}
    for i, name in enumerate(cfg.DATASETS.TEST):
        embeddings = test_embeddings(cfg, i, model)
        evaluator = build_evaluator(
            name,
            Path(cfg.OUTPUT_DIR) / f"inference_{name}",
            tasks=("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",),
            fixed_ap=cfg.TEST.FIXED_AP,
            force_lvis=cfg.GEN_PSEDO_LABELS,
            resume=resume,
            run_key=_run_key(cfg),
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
    with inference_context(model), torch.no_grad():
        for batch in tqdm(loader, name, unit="img", disable=not comm.is_main_process()):
            evaluator.process(batch, model.inference(batch, vocabulary))
    results = evaluator.evaluate() or {}
    print_csv_format(results)
    return results


def test_embeddings(cfg, i: int, model: nn.Module) -> Tensor | None:
    """Return the class embeddings (C, D) of the i-th test set; None: the model's own classes.

    Raises:
        InputError: the lists of the recipe are too short, or its files do not fit the model.
    """
    vocabularies = cfg.TEST.VOCABULARIES
    if vocabularies:
        source = _entry(vocabularies, i, "TEST.VOCABULARIES", cfg)
        return _reader(cfg, model).read(source).embeddings if source else None
    if not cfg.MODEL.RESET_CLS_TESTS:
        return None
    num_classes = _entry(cfg.MODEL.TEST_NUM_CLASSES, i, "MODEL.TEST_NUM_CLASSES", cfg)
    path = dataset_path(_entry(cfg.MODEL.TEST_CLASSIFIERS, i, "MODEL.TEST_CLASSIFIERS", cfg))
    if path.is_file():
        dim = model.roi_heads.classifier.embedding_dim
        return read_embeddings(path, dim, num_classes).embeddings
    logger.info("%s is missing: its class names are embedded now", path)
    names = MetadataCatalog.get(cfg.DATASETS.TEST[i]).thing_classes
    if len(names) != num_classes:
        raise InputError(
            f"MODEL.TEST_NUM_CLASSES says {num_classes} for {cfg.DATASETS.TEST[i]}, which has "
            f"{len(names)} classes"
        )
    return _reader(cfg, model).read(Vocabulary.from_names(names)).embeddings


def _run_key(cfg) -> str:
    """Return what detections depend on, in short: the configuration and the weight file."""
    weights = Path(cfg.MODEL.WEIGHTS)
    written = weights.stat().st_mtime_ns if weights.is_file() else 0
    return hashlib.sha256(f"{cfg.dump()}{written}".encode()).hexdigest()[:16]


def _reader(cfg, model: nn.Module) -> VocabularyReader:
    text_encoder = cfg.MODEL.TEXT_ENCODER
    dim = model.roi_heads.classifier.embedding_dim
    return VocabularyReader(text_encoder.WEIGHTS, text_encoder.PROMPT, dim)


def _entry(values: list, i: int, key: str, cfg):
    """Return the i-th of ``values``, one for each of DATASETS.TEST."""
    if len(values) != len(cfg.DATASETS.TEST):
        raise InputError(
            f"{key} has {len(values)} entries for the {len(cfg.DATASETS.TEST)} of DATASETS.TEST"
        )
    return values[i]
