"""The Open Images protocol on one class: which detections are true, and their average precision.

D detections in descending score, G ordinary ground-truth boxes, K group-of boxes (which stand for
several instances) of one image, E entries that count. IoU is intersection over union, IoA
intersection over the area of the detection.

Source: Kuznetsova et al., The Open Images Dataset V4, arXiv 1811.00982, and its 2019 challenge.
"""

import numpy as np

MIN_OVERLAP = 0.5  # inclusive, for IoU and IoA
EPSILON = np.finfo(np.float64).eps


def judge(ious: np.ndarray, ioas: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of what counts on an image, and whether each is true.

    A detection looks at the one ordinary box it overlaps most. The highest-scoring detection of
    such a box is true. Detections inside a group-of box, unless true already, count together as
    one that is true and has their highest score. All others are false.

    Args:
        ious: (D, G) with the ordinary boxes.
        ioas: (D, K) with the group-of boxes.
        scores: (D,) descending.

    Returns:
        (E,) scores and (E,) bool.
    """
    is_true = _first_on_each_box(ious)
    group_of, is_inside = _best_overlap(ioas)
    in_group = is_inside & ~is_true
    group_scores = np.zeros(ioas.shape[1])
    np.maximum.at(group_scores, group_of[in_group], scores[in_group])
    group_scores = group_scores[group_scores > 0]
    return (
        np.concatenate((scores[~in_group], group_scores)),
        np.concatenate((is_true[~in_group], np.ones(len(group_scores), dtype=bool))),
    )


def _first_on_each_box(ious: np.ndarray) -> np.ndarray:
    """Return which detections are the first on the box they overlap most, (D,) bool."""
    box_of, is_hit = _best_overlap(ious)
    hits = np.flatnonzero(is_hit)
    _, first = np.unique(box_of[hits], return_index=True)
    is_first = np.zeros(len(ious), dtype=bool)
    is_first[hits[first]] = True
    return is_first


def _best_overlap(overlaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of the largest overlap (the first of equal ones), and if it suffices."""
    if overlaps.shape[1] == 0:
        return np.zeros(len(overlaps), dtype=np.int64), np.zeros(len(overlaps), dtype=bool)
    best = overlaps.argmax(axis=1)
    return best, overlaps[np.arange(len(overlaps)), best] >= MIN_OVERLAP


def average_precision(is_true: np.ndarray, num_gt: int) -> float:
    """Return the area under the precision-recall curve, made non-increasing; a fraction.

    Args:
        is_true: (E,) bool, in descending score.
        num_gt: ground-truth boxes, group-of boxes included; at least one.

    >>> round(average_precision(np.array([True, False, True]), num_gt=2), 4)
    0.8333
    """
    num_true = np.cumsum(is_true)
    num_false = np.cumsum(~is_true)
    recall = num_true / num_gt
    precision = num_true / (num_true + num_false + EPSILON)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))
