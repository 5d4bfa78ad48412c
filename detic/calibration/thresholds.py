"""From judged detections of a class to the score from which on they are shown.

Shapes: N judged detections of one class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detic.calibration.evidence import ClassEvidence
from detic.vocabulary.vocabulary import ClassEntry, Vocabulary

MIN_OBJECTS = 10  # of a class; the best threshold on fewer misleads
DECIMALS = 3  # of thresholds


@dataclass(frozen=True)
class Counts:
    """What is shown from a threshold on."""

    right: int
    wrong: int
    objects: int  # that there were to find

    @property
    def precision(self) -> float:
        """The share of what is shown that is right, 0 if nothing is."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        """The share of the objects that is found, 0 if there are none."""
        return self.right / max(self.objects, 1)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.right + other.right, self.wrong + other.wrong, self.objects + other.objects
        )


def shown(entry: ClassEntry, evidence: ClassEvidence, common: float) -> Counts:
    """Return what a class shows of what was found.

    Args:
        entry: may have a threshold of its own.
        evidence: of the class.
        common: the threshold of classes that have none.
    """
    threshold = common if entry.score_threshold is None else entry.score_threshold
    is_right = np.asarray(evidence.is_right, dtype=bool)
    kept = is_right[np.asarray(evidence.scores) >= threshold]
    return Counts(int(kept.sum()), int((~kept).sum()), evidence.num_objects)


def best_threshold(evidence: ClassEvidence) -> float | None:
    """Return the threshold with the highest F1, the harmonic mean of precision and recall.

    It lies halfway between the lowest score that is shown and the next. None: there are fewer than
    ``MIN_OBJECTS`` objects or no detections. If none of these is right, none is shown.

    >>> best_threshold(ClassEvidence([0.9, 0.7, 0.5, 0.3], [True, True, False, False], 10))
    0.6
    """
    if evidence.num_objects < MIN_OBJECTS or not evidence.scores:
        return None
    order = np.argsort(-np.asarray(evidence.scores), kind="stable")
    scores = np.asarray(evidence.scores, dtype=np.float64)[order]
    right = np.asarray(evidence.is_right, dtype=np.int64)[order].cumsum()
    if not right[-1]:
        return _rounded_down((scores[0] + 1) / 2)
    f1 = 2 * right / (np.arange(1, len(scores) + 1) + evidence.num_objects)
    f1[:-1][scores[:-1] == scores[1:]] = 0  # equal scores are shown together
    last = int(f1.argmax())
    following = scores[last + 1] if last + 1 < len(scores) else scores[last]
    return _rounded_down((scores[last] + following) / 2)


def _rounded_down(threshold: float) -> float:
    return math.floor(threshold * 10**DECIMALS) / 10**DECIMALS


def quiet_threshold(evidence: ClassEvidence, max_wrong: int) -> float:
    """Return the lowest threshold, from 0, with which at most ``max_wrong`` detections are wrong.

    >>> quiet_threshold(ClassEvidence([0.9, 0.7, 0.6], [False, True, False], 0), max_wrong=1)
    0.601
    """
    wrong = sorted(
        (s for s, right in zip(evidence.scores, evidence.is_right, strict=True) if not right),
        reverse=True,
    )
    if len(wrong) <= max_wrong:
        return 0.0
    return round(_rounded_down(wrong[max_wrong]) + 10**-DECIMALS, DECIMALS)


def with_thresholds(
    vocabulary: Vocabulary,
    evidence: Sequence[ClassEvidence],
    common: float,
    false_alarm_share: float,
) -> Vocabulary:
    """Return the vocabulary with a threshold for each class that the held-out images tell of.

    Classes with ``MIN_OBJECTS`` objects or more get the threshold with the highest F1. For the others
    nothing tells how many objects a threshold loses. Theirs rises until few of their detections are
    wrong, and never falls. Negative classes show nothing and stay as they are.

    Args:
        vocabulary: the classes.
        evidence: of each class.
        common: the threshold of classes that have none of their own.
        false_alarm_share: how many detections of a class of the second kind may be wrong, as a share
            of all held-out objects.
    """
    num_objects = sum(of_class.num_objects for of_class in evidence)
    max_wrong = math.floor(false_alarm_share * num_objects)

    def with_threshold(entry: ClassEntry, of_class: ClassEvidence) -> ClassEntry:
        if entry.negative:
            return entry
        fitted = best_threshold(of_class)
        if fitted is None:
            own = common if entry.score_threshold is None else entry.score_threshold
            fitted = min(quiet_threshold(of_class, max_wrong), 1.0)
            if fitted <= own:
                return entry
        return replace(entry, score_threshold=fitted)

    pairs = zip(vocabulary.entries, evidence, strict=True)
    return Vocabulary(tuple(with_threshold(*pair) for pair in pairs))


def without_thresholds(vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary without thresholds of its classes."""
    return Vocabulary(tuple(replace(e, score_threshold=None) for e in vocabulary.entries))


def expected_calibration_error(
    scores: Sequence[float], is_right: Sequence[bool], num_bins: int = 10
) -> float:
    """Return by how much scores differ from the share that is right, on average over detections.

    Args:
        scores: (N,) from 0 to 1.
        is_right: (N,).
        num_bins: equal intervals of the scores that shares are taken in.

    Source: Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning (AAAI 2015).

    >>> expected_calibration_error([0.9, 0.9], [True, False])
    0.4
    """
    if not len(scores):
        return 0.0
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    bins = np.minimum((values * num_bins).astype(int), num_bins - 1)
    gaps = np.bincount(bins, weights=values - right, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(values))
