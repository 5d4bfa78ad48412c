"""What is evaluated: test sets, their classes, how detections are scored.

Shapes: C classes, D embedding width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from detectron2.config import CfgNode
from torch import Tensor

from detic.config import is_deformable_detr, is_zero_shot, with_values
from detic.datasets.own_data import OwnData, check_class_order
from detic.errors import InputError
from detic.loading.build import TestData
from detic.modeling.build import WITHOUT_TRAINING
from detic.modeling.precision import FP32, Precision, choose_precision
from detic.plan.source_options import check_tests_see_all_boxes
from detic.plan.test_classes import TestClasses
from detic.plan.weights import InitialWeights
from detic.vocabulary.model_classes import KEY, SET_LATER, ModelClasses

FIXED_AP_DETECTIONS = 1000  # per image at least, if TEST.FIXED_AP is set

# Detectron2's own heads, which detect what they were built for.
_HEADS_WITHOUT_REQUESTS = ("StandardROIHeads", "CascadeROIHeads", "Res5ROIHeads")


@dataclass(frozen=True, eq=False)
class TestSet:
    """A registered dataset and the classes to find in it."""

    name: str
    embeddings: Tensor | None = None  # (C, D); None: the model's own classes

    __test__ = False  # not a test case, whatever pytest thinks of the name


@dataclass(frozen=True, eq=False)
class EvaluationPlan:
    """What is evaluated, and how."""

    cfg: CfgNode  # settled; for Detectron2's from_config alone
    output_dir: Path
    weights: InitialWeights
    sets: tuple[TestSet, ...]
    data: TestData
    tasks: tuple[str, ...] = ("bbox", "segm")
    fixed_ap: bool = False  # LVIS: AP of the best 10 000 detections of each class too
    force_lvis: bool = False  # score every set as LVIS
    max_detections: int | None = None  # of an image; None: the model's limit
    precision: Precision = FP32  # that the model computes in
    shown_images: int = 0  # of each set, drawn in trainings
    zero_shot: bool = True  # the classifier has class embeddings
    # What detections depend on besides the data, by name
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_weights(cls, cfg: CfgNode, weights: InitialWeights) -> "EvaluationPlan":
        """Return the evaluation of weights, whose model is built for it alone.

        Where the file of the class vectors is missing, those in the weights serve.

        Raises:
            InputError: as ``from_config``.
        """
        if weights.path:
            weights = replace(weights, classes=weights.classes.with_those_of_weights())
        return cls.from_config(evaluation_config(cfg, weights.classes), weights)

    @classmethod
    def from_config(cls, cfg, weights: InitialWeights | None = None) -> "EvaluationPlan":
        """Return the evaluation of a model that is built from ``cfg``.

        All test sets are settled before the first is run, so that mistakes show at once.

        Args:
            cfg: a whole configuration.
            weights: those evaluated; by default those of the recipe.

        Raises:
            InputError: the recipe contradicts itself, or a file does not fit a test set.
        """
        weights = weights or InitialWeights.from_config(cfg)
        # Where weights bring the vectors, the recipe's file still says which classes they are.
        replace(OwnData.from_config(cfg), classes=weights.classes).register()
        check_tests_see_all_boxes(cfg.DATASETS.TEST)
        datasets, classes = cfg.DATASETS.TEST, TestClasses.from_config(cfg)
        if classes.are_those_of_model:
            check_class_order(weights.classes, datasets)
        heads = None if is_deformable_detr(cfg) else cfg.MODEL.ROI_HEADS.NAME
        limit = cfg.TEST.DETECTIONS_PER_IMAGE
        settings: dict[str, str] = {"MODEL.WEIGHTS": weights.path}
        for name in ("MODEL", "INPUT", "TEST"):
            settings = _settings(cfg[name], name) | settings
        del settings["TEST.SHOWN_IMAGES"]  # no detection depends on it
        return cls(
            cfg=cfg,
            output_dir=Path(cfg.OUTPUT_DIR),
            weights=weights,
            sets=tuple(TestSet(name, classes.embeddings(i)) for i, name in enumerate(datasets)),
            data=TestData.from_config(cfg),
            tasks=("bbox", "segm") if cfg.MODEL.MASK_ON else ("bbox",),
            fixed_ap=cfg.TEST.FIXED_AP,
            force_lvis=cfg.GEN_PSEDO_LABELS,
            max_detections=_fixed_ap_limit(heads, limit) if cfg.TEST.FIXED_AP else None,
            precision=choose_precision(
                cfg.MODEL.INFERENCE_PRECISION, torch.device(cfg.MODEL.DEVICE)
            ),
            shown_images=cfg.TEST.SHOWN_IMAGES,
            zero_shot=is_zero_shot(cfg),
            settings=settings,
        )


def evaluation_config(cfg: CfgNode, classes: ModelClasses) -> CfgNode:
    """Return the configuration of a model that is evaluated: without what serves training alone.

    Args:
        classes: of the model, maybe to be set by its weights.
    """
    key = {KEY: SET_LATER} if classes.are_set_later else {}
    return with_values(cfg, WITHOUT_TRAINING | key)


def _fixed_ap_limit(heads: str | None, limit: int) -> int | None:
    """Return how many detections of an image count; None: the model's limit is enough.

    Fixed AP ranks detections over the whole dataset, so those of an image must not be cut early.

    Args:
        heads: ``MODEL.ROI_HEADS.NAME``; None: the model has none.
        limit: ``TEST.DETECTIONS_PER_IMAGE``; negative: none.
    """
    if heads in _HEADS_WITHOUT_REQUESTS:
        raise InputError(
            "TEST.FIXED_AP needs the heads DeticCascadeROIHeads or CustomRes5ROIHeads, not "
            f"{heads}, whose limit of detections per image is fixed"
        )
    return FIXED_AP_DETECTIONS if 0 <= limit < FIXED_AP_DETECTIONS else None


def _settings(node: CfgNode, name: str) -> dict[str, str]:
    """Return the keys of a node and of those in it, with their values."""
    settings: dict[str, str] = {}
    for key, value in node.items():
        if isinstance(value, CfgNode):
            settings |= _settings(value, f"{name}.{key}")
        else:
            settings[f"{name}.{key}"] = str(value)
    return settings
