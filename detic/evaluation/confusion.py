"""What annotated objects were taken for.

G annotated objects and N detections of one image. Boxes are XYWH in pixels.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from hotcoco import mask as rle

from detic.evaluation.results_file import ResultsFile
from detic.evaluation.scores import Evaluation
from detic.result_rows import ImageId, box_xywh

MIN_IOU = 0.5
MIN_SCORE = 0.3  # detections that score less are not looked at
NOTHING = -1  # in place of a class: not detected, or nothing is annotated there


@dataclass(frozen=True)
class ShownBoxes:
    """The boxes of an image that are compared, objects or detections."""

    boxes_xywh: Sequence[Sequence[float]]
    classes: Sequence[int]  # class index of each
    scores: Sequence[float] = ()  # of detections


@dataclass(frozen=True)
class Confusions:
    """How often objects of a class were taken for a class, by class index."""

    counts: Mapping[tuple[int, int], int]  # (annotated, detected), one of them maybe NOTHING
    num_classes: int

    def missed(self, index: int) -> int:
        """Return how many objects of a class were not detected."""
        return self.counts.get((index, NOTHING), 0)

    def taken_for(self) -> dict[int, list[tuple[int, int]]]:
        """Return the other classes that objects were taken for, by the class they are of.

        Each is a pair of class index and count, the most frequent first.
        """
        others: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for annotated, detected, count in self.pairs():
            others[annotated].append((detected, count))
        return dict(others)

    def pairs(self) -> list[tuple[int, int, int]]:
        """Return (annotated, detected, count) of different classes, the most frequent first."""
        wrong = [
            (annotated, detected, count)
            for (annotated, detected), count in self.counts.items()
            if annotated != detected and NOTHING not in (annotated, detected)
        ]
        return sorted(wrong, key=lambda pair: (-pair[2], pair[:2]))

    def matrix(self) -> np.ndarray:
        """Return all counts, (C + 1, C + 1): row annotated, column detected, last of each NOTHING.

        The last entry of the last row is 0.
        """
        table = np.zeros((self.num_classes + 1,) * 2, dtype=np.int64)
        for (annotated, detected), count in self.counts.items():
            table[annotated, detected] = count  # -1 is the last
        return table


def count_confusions(evaluation: Evaluation, results: ResultsFile) -> Confusions:
    """Return what the annotated objects of a test set were taken for.

    Args:
        evaluation: knows the classes and the annotations.
        results: the detections; those of ``MIN_SCORE`` and more count.
    """
    index_of = {category_id: i for i, category_id in enumerate(evaluation.classes.ids)}
    objects = _by_image(
        (a["image_id"], a["bbox"], index, 1.0)
        for category_id, index in index_of.items()
        for a in evaluation.annotations_of_class(category_id)
    )
    detections = _by_image(
        (row["image_id"], box_xywh(row), index_of[row["category_id"]], row["score"])
        for row in results.rows(results.scores >= MIN_SCORE)
    )
    counts: Counter[tuple[int, int]] = Counter()
    none = ShownBoxes((), ())
    for image_id in objects.keys() | detections.keys():
        counts.update(match(objects.get(image_id, none), detections.get(image_id, none)))
    return Confusions(counts, len(index_of))


def match(objects: ShownBoxes, detections: ShownBoxes) -> list[tuple[int, int]]:
    """Return (annotated class, detected class) of each object and each false alarm of an image.

    By falling score, each detection takes a free object that it overlaps with an IoU of ``MIN_IOU``
    or more: one of its own class if there is one, else the one it overlaps most. Objects that none
    takes are missed. A detection is a false alarm if it overlaps no object, taken or not.

    Args:
        objects: G.
        detections: N, with scores.
    """
    num_objects, num_boxes = len(objects.classes), len(detections.classes)
    seen_as = [NOTHING] * num_objects
    if not num_objects or not num_boxes:
        alarms = [(NOTHING, index) for index in detections.classes]
        return [*zip(objects.classes, seen_as, strict=True), *alarms]
    ious = rle.bbox_iou(
        np.asarray(detections.boxes_xywh, dtype=np.float64),
        np.asarray(objects.boxes_xywh, dtype=np.float64),
        [False] * num_objects,
    )  # (N, G)
    is_alarm = np.max(ious, axis=1) < MIN_IOU
    alarms = []
    for number in np.argsort(-np.asarray(detections.scores), kind="stable").tolist():
        class_index = detections.classes[number]
        if is_alarm[number]:
            alarms.append((NOTHING, class_index))
            continue
        free = [
            g for g in np.flatnonzero(ious[number] >= MIN_IOU).tolist() if seen_as[g] == NOTHING
        ]
        if free:
            best = max(free, key=lambda g: (objects.classes[g] == class_index, ious[number, g]))
            seen_as[best] = class_index
    return [*zip(objects.classes, seen_as, strict=True), *alarms]


def _by_image(
    rows: Iterable[tuple[ImageId, Sequence[float], int, float]],
) -> dict[ImageId, ShownBoxes]:
    """Return the boxes of each image, given (image id, box, class index, score) of all."""
    columns: dict[ImageId, tuple[list, list, list]] = defaultdict(lambda: ([], [], []))
    for image_id, *values in rows:
        for column, value in zip(columns[image_id], values, strict=True):
            column.append(value)
    return {image_id: ShownBoxes(*of_image) for image_id, of_image in columns.items()}
