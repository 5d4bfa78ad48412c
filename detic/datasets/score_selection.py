"""Which boxes of a detector are taken as annotations, by their scores.

Shapes: A annotations, N images, C categories of a file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from detic.datasets.annotation_table import ANNOTATION_ARRAYS, AnnotationTable, ends_of
from detic.datasets.image_labels.class_index import ClassIndex
from detic.errors import InputError
from detic.shared_arrays import ArrayWriter

_ROUNDING = 1e-9  # 0.1 * 30 is a little more than 3


@dataclass(frozen=True)
class ScoreSelection:
    """How boxes are chosen. Those without a score were drawn by hand, and are taken."""

    min_score: float = 0.0
    min_score_of: Mapping[str, float] = field(default_factory=dict)  # of single categories instead
    top_share: float = 1.0  # the best of each category, as a share of those with a score
    # Boxes that are not chosen become crowds from this score on, the others go; None: all go
    uncertain_from: float | None = None
    weighs: bool = False  # scores weigh the losses of their boxes

    @property
    def looks_at_scores(self) -> bool:
        return self != ScoreSelection()


def selected(table: AnnotationTable, selection: ScoreSelection, where: str) -> AnnotationTable:
    """Return an annotation file with the boxes that are chosen, and those in doubt as crowds.

    Args:
        where: what selects, for messages.

    Raises:
        InputError: there are no annotations, none has a score, one has none from 0 to 1, or there
            is no such category.
    """
    scores = _checked_scores(table, where)
    classes = table["classes"]
    limits = np.maximum(_least_scores(table, selection, where), _share_limits(table, selection))
    is_chosen = np.isnan(scores) | (scores >= limits[classes])
    is_uncertain = np.zeros_like(is_chosen)
    if selection.uncertain_from is not None:
        is_uncertain = ~is_chosen & (scores >= selection.uncertain_from)
    return _with_annotations(table, is_chosen | is_uncertain, is_uncertain)


def _checked_scores(table: AnnotationTable, where: str) -> np.ndarray:
    """Return the scores (A,), NaN for boxes drawn by hand."""
    scores = table["scores"]
    if not len(table["classes"]):
        raise InputError(
            f"{where} selects by scores, and {table.path} has no annotations; write down what a detector "
            "finds from a lower score on, or leave the source out"
        )
    if not len(scores):
        raise InputError(
            f"{where} selects by scores, and no annotation of {table.path} has a 'score'; leave out "
            "what selects, or name a file of predictions"
        )
    is_wrong = scores < 0
    if is_wrong.any():
        image = int(np.searchsorted(table["annotation_ends"], is_wrong.argmax(), side="right"))
        raise table.error(image, "has an annotation whose 'score' is no number from 0 to 1")
    return scores


def _least_scores(table: AnnotationTable, selection: ScoreSelection, where: str) -> np.ndarray:
    """Return the score that a box of each category needs, (C,)."""
    categories = ClassIndex([category["name"] for category in table.categories])
    limits = np.full(len(table.categories), float(selection.min_score))
    for name, limit in selection.min_score_of.items():
        limits[categories.require(name, f"{where}, min_score_of")] = limit
    return limits


def _share_limits(table: AnnotationTable, selection: ScoreSelection) -> np.ndarray:
    """Return the lowest score among the best boxes of each category, (C,)."""
    limits = np.zeros(len(table.categories))
    has_score = ~np.isnan(table["scores"])
    scores, classes = table["scores"][has_score], table["classes"][has_score]
    order = np.lexsort((-scores, classes))  # by category, best first
    counts = np.bincount(classes, minlength=len(limits))
    for category, (count, end) in enumerate(zip(counts, ends_of(counts), strict=True)):
        best = math.ceil(selection.top_share * count - _ROUNDING)
        if best:
            limits[category] = scores[order[end - count + best - 1]]
    return limits


def _with_annotations(
    table: AnnotationTable, is_kept: np.ndarray, is_crowd: np.ndarray
) -> AnnotationTable:
    """Return a file with some of its annotations (A,), of which some become crowds."""
    changed = {name: table[name][is_kept] for name in (*ANNOTATION_ARRAYS, "scores")}
    changed["crowds"] = changed["crowds"] | is_crowd[is_kept].astype(np.uint8)
    ends = np.concatenate([[0], np.cumsum(is_kept)])
    changed["annotation_ends"] = ends[table["annotation_ends"]].astype(np.int64)
    writer = ArrayWriter()
    for name in table.arrays:
        writer.add(name, changed.get(name, table[name]))
    return AnnotationTable(table.path, table.categories, table.has_text_ids, writer.finish())
