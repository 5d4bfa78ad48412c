"""Classes tuned on a frozen detector: from a few boxes or images to vectors of a vocabulary."""

from detic.tuning.examples import (
    BoxedObject,
    ExampleImage,
    boxed_examples,
    examples_of_classes,
    few_of_each,
    labelled_examples,
    without_examples,
)
from detic.tuning.fit import FitParams
from detic.tuning.tune import tune

__all__ = [
    "BoxedObject",
    "ExampleImage",
    "FitParams",
    "boxed_examples",
    "examples_of_classes",
    "few_of_each",
    "labelled_examples",
    "tune",
    "without_examples",
]
