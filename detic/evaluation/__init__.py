"""Scoring detections on LVIS, COCO, open-vocabulary COCO, Objects365 and Open Images."""

from detic.evaluation.build import build_evaluator
from detic.evaluation.evaluator import DetectionEvaluator

__all__ = ["DetectionEvaluator", "build_evaluator"]
