"""Means over the arrays of precision that COCO's and LVIS's protocols yield.

Precision arrays are (T IoU thresholds, R recalls, C classes, A areas), -1 where undefined.
"""

import math

import numpy as np

from detic.evaluation.scores import ClassCurves

IOU_50, IOU_75 = 0, 5  # positions of the thresholds 0.5 and 0.75 among 0.5, 0.55 ... 0.95
ALL_AREAS = 0
AREAS = {"s": 1, "m": 2, "l": 3}  # below 32 squared pixels, up to 96 squared, above


def average_precisions(precision: np.ndarray) -> dict[str, float]:
    """Return AP, AP50, AP75, APs, APm and APl in percent, NaN for those without ground truth.

    Args:
        precision: (T, R, C, A)
    """
    everywhere = precision[..., ALL_AREAS]
    parts = {"AP": everywhere, "AP50": everywhere[IOU_50], "AP75": everywhere[IOU_75]}
    parts |= {f"AP{letter}": precision[..., area] for letter, area in AREAS.items()}
    return {name: 100 * mean_of_defined(part) for name, part in parts.items()}


def mean_of_defined(precision: np.ndarray) -> float:
    """Return the mean of the entries that are not -1 (no ground truth), NaN if there are none.

    >>> float(mean_of_defined(np.array([0.5, -1.0, 1.0])))
    0.75
    """
    defined = precision[precision > -1]
    return float(defined.mean()) if defined.size else math.nan


def class_curves(precision: np.ndarray, recall: np.ndarray) -> ClassCurves:
    """Return the curves of all classes at IoU 0.5.

    Args:
        precision: (T, R, C, A)
        recall: (T, C, A), -1 where undefined.
    """
    at_50, reached = precision[IOU_50, ..., ALL_AREAS], recall[IOU_50, :, ALL_AREAS]
    return ClassCurves(
        precision=np.where(at_50 > -1, at_50, np.nan),
        recall=100 * np.where(reached > -1, reached, np.nan),
    )


def class_means(precision: np.ndarray) -> np.ndarray:
    """Return the mean precision of each class in percent, NaN for classes without ground truth.

    Args:
        precision: (..., C), -1 where undefined.
    """
    columns = np.moveaxis(precision, -1, 0)
    return 100 * np.array([mean_of_defined(column) for column in columns])
