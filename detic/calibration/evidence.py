"""What held-out images tell about the detections of each class: which are right, which wrong.

Shapes: N detections and G annotated objects of one image. Boxes are XYWH in pixels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from hotcoco import mask as rle

MIN_IOU = 0.5  # from which on a detection lies on an object


@dataclass(frozen=True)
class FoundBoxes:
    """The detections of an image, the highest score first."""

    boxes_xywh: Sequence[Sequence[float]]  # (N, 4)
    classes: Sequence[int]  # (N,) class indices
    scores: Sequence[float]  # (N,)


@dataclass(frozen=True)
class AnnotatedBoxes:
    """The objects of an image, and which classes it was searched for."""

    boxes_xywh: Sequence[Sequence[float]]  # (G, 4)
    classes: Sequence[int]  # (G,) class indices
    is_crowd: Sequence[bool]  # (G,) whether a box stands for several objects
    exhaustive: Collection[int]  # the classes whose objects are annotated, every one


@dataclass
class ClassEvidence:
    """The judged detections of one class, and how many objects there were to find."""

    scores: list[float] = field(default_factory=list)
    is_right: list[bool] = field(default_factory=list)
    num_objects: int = 0

    def add(self, score: float, is_right: bool) -> None:
        """Add one detection."""
        self.scores.append(score)
        self.is_right.append(is_right)


class Evidence:
    """The evidence of all classes.

    Args:
        num_classes: of the vocabulary.
    """

    def __init__(self, num_classes: int):
        self.classes = [ClassEvidence() for _ in range(num_classes)]

    def add_boxes(self, found: FoundBoxes, objects: AnnotatedBoxes) -> None:
        """Add an image with annotated boxes."""
        for index, is_crowd in zip(objects.classes, objects.is_crowd, strict=True):
            self.classes[index].num_objects += not is_crowd
        for number, is_right in enumerate(verdicts(found, objects)):
            if is_right is not None:
                self.classes[found.classes[number]].add(found.scores[number], is_right)


def verdicts(found: FoundBoxes, objects: AnnotatedBoxes) -> list[bool | None]:
    """Return for each detection whether it is right; None: the annotations do not tell.

    By falling score, a detection takes the free object of its class that it overlaps most, with an
    IoU of ``MIN_IOU`` or more, and is right. Another is wrong if the image was searched for its
    class, or if it lies on an object of another class. So boxes of some classes also judge classes
    that have no boxes.
    """
    if not len(found.scores):
        return []
    ious = np.zeros((len(found.scores), 0))
    if len(objects.classes):
        ious = rle.bbox_iou(
            np.asarray(found.boxes_xywh, dtype=np.float64),
            np.asarray(objects.boxes_xywh, dtype=np.float64),
            [bool(is_crowd) for is_crowd in objects.is_crowd],
        )  # (N, G)
    free = ~np.asarray(objects.is_crowd, dtype=bool)  # (G,)
    of_class = np.asarray(objects.classes, dtype=np.int64)
    judged: list[bool | None] = []
    for index, overlaps in zip(found.classes, ious, strict=True):
        lies_on = overlaps >= MIN_IOU  # (G,)
        own = of_class == index
        candidates = np.flatnonzero(lies_on & own & free)
        if len(candidates):
            free[candidates[overlaps[candidates].argmax()]] = False
            judged.append(True)
        elif index in objects.exhaustive:
            in_crowd = (lies_on & own & np.asarray(objects.is_crowd, dtype=bool)).any()
            judged.append(None if in_crowd else False)
        else:
            judged.append(False if (lies_on & ~own).any() and not (lies_on & own).any() else None)
    return judged
