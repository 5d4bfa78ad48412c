"""Class scores to detections, for any number of classes in bounded memory.

Shape legend: B images, R boxes of the batch, N boxes of one image, C classes, K classes of a chunk,
M candidates (a box with one of its classes) of one image, F feature width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms

from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import BatchVocabulary, Extras

# Scores of this many classes are in memory at a time.
_CHUNK = 2048
# First number of candidates per wanted detection; NMS removes most.
_CANDIDATES_PER_DETECTION = 8

# Class slice -> probabilities (R, K), one per stage.
StageProbs = Callable[[slice], Tensor]


@dataclass(frozen=True)
class ScoreParams:
    """How detections are scored and chosen."""

    multiply_proposal_score: bool = False
    one_class_per_proposal: bool = False
    score_threshold: float = 0.05
    nms_threshold: float = 0.5  # IoU, class by class
    max_detections: int = 100  # per image; negative: all

    @classmethod
    def from_config(cls, cfg) -> "ScoreParams":
        return cls(
            multiply_proposal_score=cfg.MODEL.ROI_BOX_HEAD.MULT_PROPOSAL_SCORE,
            one_class_per_proposal=cfg.MODEL.ROI_HEADS.ONE_CLASS_PER_PROPOSAL,
            score_threshold=cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
            nms_threshold=cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            max_detections=cfg.TEST.DETECTIONS_PER_IMAGE,
        )


class ClassScores:
    """Scores of all boxes of a batch, computed for one slice of the classes at a time."""

    def __init__(
        self,
        stages: Sequence[StageProbs],
        num_classes: int,
        proposal_scores: Tensor,
        params: ScoreParams,
        vocabulary: BatchVocabulary | None = None,
    ):
        """Args:
        stages: class probabilities by stage.
        num_classes: C, without background.
        proposal_scores: (R,) of the first stage's proposals, in (0, 1).
        vocabulary: its thresholds and negative classes count.
        """
        vocabulary = vocabulary or BatchVocabulary()
        self.num_classes = num_classes
        self.thresholds = vocabulary.score_thresholds  # (C,)
        if self.thresholds is None:
            self.thresholds = proposal_scores.new_full((num_classes,), params.score_threshold)
        self._stages = list(stages)
        self._proposal_scores = proposal_scores
        self._params = params
        self._only_chunk: Tensor | None = None
        self._best = self._maxima() if params.one_class_per_proposal else None  # (R, 1)
        self._negative = vocabulary.negative
        self._lost: Tensor | None = None  # (R, 1) bool: boxes whose best class is a negative one
        if self._negative is not None:
            self._lost = self._maxima(self._negative) > self._maxima(~self._negative)

    def chunks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the first class of each chunk and the scores (R, K) of the chunk.

        Scores of classes that lose their box to another one are 0.
        """
        for start, scores in self._averaged_chunks():
            if self._best is not None:
                # All but a proposal's best class score 0; ties stay.
                scores = scores * (scores == self._best)
            if self._negative is not None:
                negative = self._negative[start : start + scores.shape[1]]
                scores = scores.masked_fill(self._lost | negative, 0.0)
            yield start, scores

    def of_boxes(self, index: Tensor) -> Tensor:
        """Return the scores (M, C) of the boxes ``index`` (M,) before classes compete."""
        return torch.cat([scores[index] for _, scores in self._averaged_chunks()], dim=1)

    def _maxima(self, among: Tensor | None = None) -> Tensor:
        """Return each box's highest score (R, 1) of the classes ``among`` (C,) bool, or of all."""
        maxima = []
        for start, scores in self._averaged_chunks():
            if among is not None:
                scores = scores * among[start : start + scores.shape[1]]
            maxima.append(scores.amax(dim=1, keepdim=True))
        return torch.cat(maxima, dim=1).amax(dim=1, keepdim=True)

    def _averaged_chunks(self) -> Iterator[tuple[int, Tensor]]:
        if self._only_chunk is not None:
            yield 0, self._only_chunk
            return
        for start in range(0, self.num_classes, _CHUNK):
            classes = slice(start, min(start + _CHUNK, self.num_classes))
            scores = torch.stack([stage(classes) for stage in self._stages]).mean(dim=0)
            if self._params.multiply_proposal_score:
                # The geometric mean of both (CenterNet2, equation 1).
                scores = (scores * self._proposal_scores[:, None]).sqrt()
            if self.num_classes <= _CHUNK:
                self._only_chunk = scores
            yield start, scores


class Candidates(NamedTuple):
    """The highest-scoring boxes and classes of one image, highest first."""

    scores: Tensor  # (M,)
    boxes: Tensor  # (M,) int64 index of the box
    classes: Tensor  # (M,) int64
    is_complete: bool  # whether these are all above the threshold


def detect(
    scores: ClassScores,
    boxes_xyxy: Sequence[Tensor],
    image_sizes_hw: Sequence[tuple[int, int]],
    params: ScoreParams,
) -> list[Instances]:
    """Return the detections of each image after class-wise NMS, highest score first.

    Args:
        scores: of the R boxes of all images.
        boxes_xyxy: B tensors (N, 4) in pixels.

    Returns:
        B Instances with ``pred_boxes`` (clipped to the image), ``scores``, ``pred_classes`` and
        ``box_index`` (int64 into the image's boxes).
    """
    clipped = [
        _clip(boxes, size_hw) for boxes, size_hw in zip(boxes_xyxy, image_sizes_hw, strict=True)
    ]
    limit = _CANDIDATES_PER_DETECTION * params.max_detections
    if params.max_detections < 0:
        limit = len(torch.cat(clipped)) * scores.num_classes
    while True:
        candidates = top_candidates(
            scores, [len(boxes) for boxes in clipped], scores.thresholds, limit
        )
        kept = [
            classwise_nms(boxes[c.boxes], c.classes, c.scores, params.nms_threshold)
            for boxes, c in zip(clipped, candidates, strict=True)
        ]
        # Whether a candidate survives depends on higher-scoring ones only, so a prefix of the
        # candidates decides once it leaves enough detections.
        if all(
            c.is_complete or len(k) >= params.max_detections
            for c, k in zip(candidates, kept, strict=True)
        ):
            break
        limit *= 4
    return [
        _instances(
            boxes, size_hw, c, k if params.max_detections < 0 else k[: params.max_detections]
        )
        for boxes, size_hw, c, k in zip(clipped, image_sizes_hw, candidates, kept, strict=True)
    ]


def add_extras(
    detections: Sequence[Instances],
    boxes_per_image: Sequence[int],
    x: Tensor,
    scores: ClassScores,
    classifier: ZeroShotClassifier,
    extras: Extras,
) -> None:
    """Add what is asked for to the detections: ``region_embeddings``, ``class_scores``.

    Args:
        detections: B Instances with ``box_index``.
        x: (R, F) features that ``classifier``, of the last stage, reads.
        scores: of the R boxes of all images.
    """
    first = 0
    for d, num_boxes in zip(detections, boxes_per_image, strict=True):
        index = d.box_index + first  # (M,) into the R boxes
        if extras.region_embeddings:
            d.region_embeddings = F.normalize(classifier.embed(x[index]), dim=1)
        if extras.class_scores:
            d.class_scores = scores.of_boxes(index)
        first += num_boxes


def top_candidates(
    scores: ClassScores, boxes_per_image: Sequence[int], thresholds: Tensor, limit: int
) -> list[Candidates]:
    """Return for each image the ``limit`` highest scores above their class's threshold (C,)."""
    best: list[tuple[Tensor, Tensor, Tensor]] | None = None
    complete = [True] * len(boxes_per_image)
    for start, chunk in scores.chunks():
        found = [_above(s, thresholds, start) for s in chunk.split(list(boxes_per_image))]
        if best is not None:
            found = [
                tuple(torch.cat(pair) for pair in zip(a, b, strict=True))
                for a, b in zip(best, found, strict=True)
            ]
        for i, (values, _, _) in enumerate(found):
            complete[i] &= len(values) <= limit
        best = [_highest(f, limit) for f in found]
    return [Candidates(*b, c) for b, c in zip(best, complete, strict=True)]


def classwise_nms(boxes_xyxy: Tensor, classes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Return the indices that survive NMS within each class, highest score first.

    Classes are laid out side by side on one plane, in float64: neighbouring float32 numbers are
    pixels apart where thousands of classes lie.

    Args:
        boxes_xyxy: (M, 4), not negative.
        classes: (M,) int64.
        scores: (M,).
    """
    if len(boxes_xyxy) == 0:
        return classes
    boxes = boxes_xyxy.double()
    offsets = classes.double() * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores.double(), iou)


def _above(scores: Tensor, thresholds: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores, boxes and classes of the entries of ``scores`` (N, K) above ``thresholds``."""
    thresholds = thresholds[start : start + scores.shape[1]]
    boxes, classes = (scores > thresholds).nonzero(as_tuple=True)
    return scores[boxes, classes], boxes, classes + start


def _highest(
    candidates: tuple[Tensor, Tensor, Tensor], limit: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the ``limit`` candidates with the highest scores, highest first."""
    order = candidates[0].argsort(descending=True, stable=True)[:limit]
    scores, boxes, classes = (values[order] for values in candidates)
    return scores, boxes, classes


def _clip(boxes_xyxy: Tensor, image_size_hw: tuple[int, int]) -> Tensor:
    boxes = Boxes(boxes_xyxy.clone())
    boxes.clip(image_size_hw)
    return boxes.tensor


def _instances(
    boxes: Tensor, image_size_hw: tuple[int, int], candidates: Candidates, kept: Tensor
) -> Instances:
    index = candidates.boxes[kept]
    return Instances(
        image_size_hw,
        pred_boxes=Boxes(boxes[index]),
        scores=candidates.scores[kept],
        pred_classes=candidates.classes[kept],
        box_index=index,
    )
