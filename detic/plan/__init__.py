"""What a run does, settled once where it begins.

A plan is made of a whole configuration and then handed on. Below it, configuration is read only by
Detectron2's ``from_config``.
"""

from detic.plan.evaluation import EvaluationPlan, TestSet
from detic.plan.training import TrainPlan

__all__ = ["EvaluationPlan", "TestSet", "TrainPlan"]
