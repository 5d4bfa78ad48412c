"""The likeliest boxes and classes of an image, before those that overlap are dropped.

Shapes: R boxes of the batch, N boxes of one image, C classes, K classes of a chunk, M candidates (a
box with one of its classes) of one image.

Candidates of equal score are in the order of chunks, then of boxes, then of classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from detic.modeling.roi_heads.class_scores import ClassScores

# Keys hold the bits of a score above those of a position, which are so many.
_POSITION_BITS = 32
_LAST_POSITION = 2**_POSITION_BITS - 1


class Candidates(NamedTuple):
    """The highest-scoring boxes and classes of one image, highest first."""

    scores: Tensor  # (M,)
    boxes: Tensor  # (M,) int64 index of the box
    classes: Tensor  # (M,) int64
    is_complete: bool  # whether these are all above the threshold


def likeliest_classes(scores: ClassScores, boxes_per_image: Sequence[int]) -> list[Candidates]:
    """Return each image's boxes with their likeliest class, if it is above its threshold.

    Classes that share a box's highest score are all returned, negative ones are not. All scores are
    computed once, and the device is waited for once an image.
    """
    maxima, are_highest = [], []
    for start, chunk in scores.chunks():
        thresholds = scores.thresholds[start : start + chunk.shape[1]]
        maxima.append(chunk.amax(dim=1, keepdim=True))
        are_highest.append((chunk == maxima[-1]) & (maxima[-1] > thresholds))
    best = torch.cat(maxima, dim=1).amax(dim=1, keepdim=True)  # (R, 1)
    are_best = [high & (m == best) for m, high in zip(maxima, are_highest, strict=True)]
    found = torch.cat(are_best, dim=1)  # (R, C)
    if scores.negative is not None:
        found &= ~scores.negative
    sizes = list(boxes_per_image)
    return [
        _of_boxes(*of_image, scores.chunk_size)
        for of_image in zip(best.split(sizes), found.split(sizes), strict=True)
    ]


def top_candidates(
    scores: ClassScores, boxes_per_image: Sequence[int], limit: int
) -> list[Candidates]:
    """Return for each image the ``limit`` highest scores above their class's threshold."""
    sizes = list(boxes_per_image)
    keys = [scores.thresholds.new_empty(0, dtype=torch.int64) for _ in sizes]
    for start, chunk in scores.reportable_chunks():
        thresholds = scores.thresholds[start : start + chunk.shape[1]]
        for i, of_image in enumerate(chunk.split(sizes)):
            first = start * len(of_image)
            keys[i] = _with_scores(keys[i], of_image, thresholds, first, limit + 1)
    keys = [k[k >= 0] for k in keys]
    return [
        _decoded(k[:limit], n, scores, len(k) <= limit) for k, n in zip(keys, sizes, strict=True)
    ]


def _of_boxes(best: Tensor, found: Tensor, chunk_size: int) -> Candidates:
    """Return candidates from the highest score of boxes (N, 1) and whose it is, (N, C) bool."""
    boxes, classes = found.nonzero(as_tuple=True)
    by_chunk = (classes // chunk_size).argsort(stable=True)
    boxes, classes = boxes[by_chunk], classes[by_chunk]
    scores = best[boxes, 0]
    order = scores.argsort(descending=True, stable=True)
    return Candidates(scores[order], boxes[order], classes[order], is_complete=True)


def _with_scores(
    keys: Tensor, scores: Tensor, thresholds: Tensor, first_position: int, count: int
) -> Tensor:
    """Return the ``count`` highest of ``keys`` (M,) and those of scores (N, K), highest first.

    A key is one number for a score and its position, in the order of candidates: a higher score is a
    higher key, and so is an earlier position. It is negative for scores that are not above their
    threshold (K,), which an accelerator carries along: it need not be waited for.

    Args:
        first_position: of the scores among those of the image.
    """
    if scores.device.type == "cpu":
        if len(keys) == count:  # later ones of the lowest score come too late
            thresholds = thresholds.clamp(min=_scores_of(keys[-1:])[0])
        position = (scores > thresholds).flatten().nonzero()[:, 0]
        values = scores.flatten()[position]
    else:
        position = torch.arange(scores.numel(), device=scores.device)
        values = torch.where(scores > thresholds, scores, -1.0).flatten()
    bits = values.view(torch.int32).long() << _POSITION_BITS
    keys = torch.cat([keys, bits + (_LAST_POSITION - first_position - position)])
    return keys.topk(min(count, len(keys))).values


def _scores_of(keys: Tensor) -> Tensor:
    return (keys >> _POSITION_BITS).int().view(torch.float32)


def _decoded(keys: Tensor, num_boxes: int, of: ClassScores, is_complete: bool) -> Candidates:
    """Return what keys, highest first, of the scores of so many boxes stand for."""
    position = _LAST_POSITION - (keys & _LAST_POSITION)
    size = of.chunk_size
    start = position // max(num_boxes * size, 1) * size  # first class of the chunk
    width = (of.num_classes - start).clamp(max=size)  # K of the chunk
    position -= start * num_boxes
    return Candidates(_scores_of(keys), position // width, start + position % width, is_complete)
