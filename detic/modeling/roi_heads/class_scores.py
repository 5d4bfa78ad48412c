"""Scores of boxes for any number of classes, in bounded memory.

Shapes: R boxes of the batch, C classes, K classes of a chunk, M detections of one image.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

from detic.modeling.request import RequestedClasses

# Scores of this many classes are computed at a time.
_CHUNK = 2048
# Those of all classes are kept for another look if they fit into this many bytes.
_KEPT_BYTES = 2**25

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


def mean_scores(
    stages: Sequence[StageProbs], classes: slice, proposal_scores: Tensor | None
) -> Tensor:
    """Return the mean of all stages (R, K), with the proposals' scores (R,) if they are given."""
    scores = reduce(torch.add, (stage(classes) for stage in stages)) / len(stages)
    if proposal_scores is not None:
        # The geometric mean of both (CenterNet2, equation 1).
        scores.mul_(proposal_scores[:, None]).sqrt_()
    return scores


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
        self.num_classes = num_classes if classes is None else classes.columns.shape[1] - 1
        own = None if classes is None else classes.score_thresholds
        common = proposal_scores.new_full((self.num_classes,), params.score_threshold)
        self.thresholds = common if own is None else own  # (C,)
        self.negative = None if classes is None else classes.negative  # (C,) bool
        self.chunk_size = _CHUNK
        self._stages = list(stages)
        self._proposal_scores = proposal_scores
        self._multiply = params.multiply_proposal_score
        num_bytes = 4 * len(proposal_scores) * self.num_classes
        self._is_kept = num_bytes <= _KEPT_BYTES or self.num_classes <= _CHUNK
        self._kept: list[tuple[int, Tensor]] = []

    def chunks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the first class of each chunk and the scores (R, K) of the chunk.

        These are the scores before classes compete; they are to be read only.
        """
        if self._kept:
            yield from self._kept
            return
        chunks = []
        for start in range(0, self.num_classes, self.chunk_size):
            scores = self._scores(slice(start, min(start + self.chunk_size, self.num_classes)))
            if self._is_kept:
                chunks.append((start, scores))
            yield start, scores
        self._kept = chunks

    def reportable_chunks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the same with score 0 for negative classes, and for all classes of a box that is
        likeliest of a negative one."""
        if self.negative is None:
            yield from self.chunks()
            return
        is_lost = self._is_lost(self.negative)
        for start, scores in self.chunks():
            negative = self.negative[start : start + scores.shape[1]]
            yield start, scores.masked_fill(is_lost | negative, 0.0)

    def of_boxes(self, index: Tensor) -> Tensor:
        """Return the scores (M, C) of the boxes ``index`` (M,) before classes compete."""
        return torch.cat([scores[index] for _, scores in self.chunks()], dim=1)

    def _is_lost(self, negative: Tensor) -> Tensor:
        """Return whether a box has its highest score in a negative class alone, (R, 1)."""
        best = [self._proposal_scores.new_zeros(len(self._proposal_scores), 1)] * 2
        for start, scores in self.chunks():
            hides = negative[start : start + scores.shape[1]]
            for i, hidden in enumerate((hides, ~hides)):
                highest = scores.masked_fill(hidden, 0.0).amax(dim=1, keepdim=True)
                best[i] = torch.maximum(best[i], highest)
        positive, negative = best
        return negative > positive

    def _scores(self, classes: slice) -> Tensor:
        return mean_scores(self._stages, classes, self._proposal_scores if self._multiply else None)
