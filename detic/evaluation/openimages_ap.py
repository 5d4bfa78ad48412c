"""The Open Images protocol on a dataset: average precision of each class.

C classes, M annotations, N detections, E entries that count. A key is image index * C + class
index: it names the class on an image that an object belongs to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from hotcoco import mask as rle

from detic.evaluation.openimages_matching import average_precision, judge

# (N, 4) boxes, XYWH pixels, or (N,) run-length encoded masks
Shapes = np.ndarray


@dataclass(frozen=True)
class KeyedAnnotations:
    """The annotated objects of a dataset."""

    keys: np.ndarray  # (M,)
    shapes: Shapes  # (M, 4) or (M,)
    is_group: np.ndarray  # (M,) bool: stands for several instances


@dataclass(frozen=True)
class KeyedDetections:
    """The detected objects of a dataset."""

    keys: np.ndarray  # (N,)
    shapes: Shapes  # (N, 4) or (N,)
    scores: np.ndarray  # (N,)

    def __getitem__(self, indices: np.ndarray | slice) -> "KeyedDetections":
        return KeyedDetections(self.keys[indices], self.shapes[indices], self.scores[indices])


def mask_shapes(masks: Sequence, sizes_hw: Sequence[tuple[int, int]]) -> Shapes:
    """Return masks as an array of run-length encodings.

    Args:
        masks: of each object its polygons or its run-length encoding.
        sizes_hw: of each object the size of its image.
    """
    shapes = np.empty(len(masks), dtype=object)
    for index, (mask, (height, width)) in enumerate(zip(masks, sizes_hw, strict=True)):
        encoded = rle.frPyObjects(mask, height, width)
        shapes[index] = rle.merge(encoded) if isinstance(mask, list) else encoded
    return shapes


def class_average_precisions(
    annotations: KeyedAnnotations, detections: KeyedDetections, num_classes: int
) -> np.ndarray:
    """Return AP50 of each class, (C,) fractions, NaN for classes without annotations.

    Source: rules of the Open Images challenge; see ``openimages_matching``.
    """
    num_gt = np.bincount(annotations.keys % num_classes, minlength=num_classes)
    keys, scores, is_true = _judged(annotations, detections)
    order = np.lexsort((keys, -scores, keys % num_classes))  # class, then score, then image
    bounds = np.searchsorted((keys % num_classes)[order], np.arange(num_classes + 1))
    result = np.full(num_classes, np.nan)
    for index in np.flatnonzero(num_gt).tolist():
        of_class = order[bounds[index] : bounds[index + 1]]
        result[index] = average_precision(is_true[of_class], int(num_gt[index]))
    return result


def _judged(annotations: KeyedAnnotations, detections: KeyedDetections) -> tuple[np.ndarray, ...]:
    """Return keys, scores and truth of all entries that count, (E,) each."""
    detections = detections[np.lexsort((-detections.scores, detections.keys))]
    elsewhere = ~np.isin(detections.keys, annotations.keys)  # nothing there to be found
    columns = [
        (detections.keys[elsewhere], detections.scores[elsewhere], np.zeros(elsewhere.sum(), bool))
    ]
    for key, of_key, found in _meetings(annotations, detections):
        is_group = annotations.is_group[of_key]
        targets = annotations.shapes[of_key]
        scores, is_true = judge(
            _overlaps(found.shapes, targets[~is_group], by_detection_area=False),
            _overlaps(found.shapes, targets[is_group], by_detection_area=True),
            found.scores,
        )
        columns.append((np.full(len(scores), key), scores, is_true))
    return tuple(np.concatenate(column) for column in zip(*columns, strict=True))


def _meetings(
    annotations: KeyedAnnotations, detections: KeyedDetections
) -> Iterator[tuple[int, np.ndarray, KeyedDetections]]:
    """Yield each key with both, the indices of its annotations, and its detections.

    Args:
        annotations: in any order.
        detections: sorted by key.
    """
    if len(annotations.keys) == 0:
        return
    order = np.argsort(annotations.keys, kind="stable")
    keys, starts = np.unique(annotations.keys[order], return_index=True)
    found_from = np.searchsorted(detections.keys, keys, side="left")
    found_to = np.searchsorted(detections.keys, keys, side="right")
    of_keys = np.split(order, starts[1:])
    for key, of_key, begin, end in zip(keys, of_keys, found_from, found_to, strict=True):
        if end > begin:
            yield int(key), of_key, detections[slice(begin, end)]


def _overlaps(found: Shapes, targets: Shapes, *, by_detection_area: bool) -> np.ndarray:
    """Return the overlap of each detection with each target, (D, G): IoU, or IoA."""
    if len(found) == 0 or len(targets) == 0:
        return np.zeros((len(found), len(targets)))
    flags = [by_detection_area] * len(targets)
    if found.dtype == object:
        return rle.iou(found.tolist(), targets.tolist(), flags)
    return rle.bbox_iou(found, targets, flags)
