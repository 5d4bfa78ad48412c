"""Scores of boxes for any number of classes, in bounded memory.

Shapes: R boxes of the batch, C classes, K classes of a chunk, M detections of one image.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from detic.modeling.request import RequestedClasses

# Scores of this many classes are in memory at a time.
_CHUNK = 2048

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

    def limited_to(self, max_detections: int | None) -> "ScoreParams":
        """Return the same with another limit of detections; None: with its own."""
        if max_detections is None:
            return self
        return replace(self, max_detections=max_detections)


class ClassScores:
    """Scores of all boxes of a batch, computed for one slice of the classes at a time.

    Args:
        stages: class probabilities by stage.
        num_classes: C of the model, without background.
        proposal_scores: (R,) of the first stage's proposals, in (0, 1).
        classes: those to look for in place of the model's; C is their number then.
    """

    def __init__(
        self,
        stages: Sequence[StageProbs],
        num_classes: int,
        proposal_scores: Tensor,
        params: ScoreParams,
        classes: RequestedClasses | None = None,
    ):
        self.num_classes = num_classes if classes is None else len(classes.embeddings) - 1
        own = None if classes is None else classes.score_thresholds
        common = proposal_scores.new_full((self.num_classes,), params.score_threshold)
        self.thresholds = common if own is None else own  # (C,)
        self._stages = list(stages)
        self._proposal_scores = proposal_scores
        self._params = params
        self._only_chunk: Tensor | None = None
        self._best = self._maxima() if params.one_class_per_proposal else None  # (R, 1)
        self._negative = None if classes is None else classes.negative
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
            if self._negative is not None and self._lost is not None:
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
