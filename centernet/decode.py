"""Heat maps and box distances to proposals.

Shapes: B images, M cells of one level, K heat map channels, N candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor
from torch.nn import functional as F

from centernet.image_nms import nms_of_images
from centernet.nms_in_graphs import nms_of_fixed_size, on_a_square, take_or_zero

# Boxes keep at least this side, in pixels.
_MIN_SIDE_PX = 0.01


@dataclass(frozen=True)
class DecodeParams:
    """How many proposals are kept."""

    score_threshold: float  # heat above which a cell is a candidate
    pre_nms_topk: int  # candidates per level and image
    post_nms_topk: int  # proposals per image
    nms_threshold: float  # IoU; 0 or less: no NMS
    peaks_only: bool = False  # local maxima of the heat map instead of NMS
    sqrt_score: bool = True  # score = sqrt(heat)

    @classmethod
    def from_config(cls, cfg, mode: str) -> "DecodeParams":
        """``mode``: TRAIN or TEST."""
        node = cfg.MODEL.CENTERNET
        return cls(
            score_threshold=node.INFERENCE_TH,
            pre_nms_topk=node[f"PRE_NMS_TOPK_{mode}"],
            post_nms_topk=node[f"POST_NMS_TOPK_{mode}"],
            nms_threshold=0.0 if node.NOT_NMS else node[f"NMS_TH_{mode}"],
            peaks_only=node.CENTER_NMS,
            sqrt_score=node.WITH_AGN_HM,
        )

    @property
    def apply_nms(self) -> bool:
        return self.nms_threshold > 0 and not self.peaks_only


@dataclass(frozen=True)
class LevelPrediction:
    """The head's output on one level, as probabilities and strides."""

    heat: Tensor  # (B, K, H, W) in (0, 1)
    ltrb: Tensor  # (B, 4, H, W) distances to the box sides, not negative, in strides
    gate: Tensor | None  # (B, 1, H, W) multiplied into the heat of candidates
    grid_xy: Tensor  # (H * W, 2) pixels
    stride_px: int


class Candidates(NamedTuple):
    """Cells that may be proposals, image by image, then by level, cell and class."""

    boxes: Tensor  # (N, 4) xyxy pixels
    scores: Tensor  # (N,)
    classes: Tensor  # (N,) int64
    images: Tensor  # (N,) int64

    def at(self, index: Tensor) -> "Candidates":
        return Candidates(*(column[index] for column in self))


@torch.no_grad()
def decode_proposals(
    levels: Sequence[LevelPrediction], image_sizes_hw: Sequence[tuple[int, int]], p: DecodeParams
) -> list[Instances]:
    """Return each image's proposals, highest score first.

    A GPU is waited for twice, however many images there are, unless NMS finds long chains.

    Returns:
        B Instances with ``pred_boxes`` (xyxy pixels, not clipped to the image), ``scores`` and
        ``pred_classes`` (channel of the heat map).
    """
    candidates = _candidates(levels, p)
    best_first = _best_first(candidates, len(image_sizes_hw), p)
    parts = _parts_of_images(best_first, len(image_sizes_hw), p.post_nms_topk)
    return [
        Instances(
            size_hw,
            pred_boxes=Boxes(best_first.boxes[part]),
            scores=best_first.scores[part],
            pred_classes=best_first.classes[part],
        )
        for size_hw, part in zip(image_sizes_hw, parts, strict=True)
    ]


def decode_in_graph(levels: Sequence[LevelPrediction], p: DecodeParams) -> tuple[Tensor, Tensor]:
    """Return the same for one image by operations whose shapes do not depend on it.

    Returns:
        Boxes (N, 4) and scores (N,) of ``p.post_nms_topk`` proposals, best first. Those that there
        are not have score 0 and no area.
    """
    c = _candidates(levels, p)
    scores = c.scores.clamp(min=0)
    iou = p.nms_threshold if p.apply_nms else 1.0  # no box overlaps another by more
    best = nms_of_fixed_size(on_a_square(c.boxes, c.classes), scores, iou, p.post_nms_topk)
    return take_or_zero(c.boxes, best), take_or_zero(scores, best)


def ltrb_to_xyxy(grid_xy: Tensor, ltrb: Tensor) -> Tensor:
    """Return boxes (..., 4) from inner points (..., 2) and distances (..., 4), all in pixels.

    >>> ltrb_to_xyxy(torch.tensor([[10.0, 20.0]]), torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    tensor([[ 9., 18., 13., 24.]])
    """
    return torch.cat([grid_xy - ltrb[..., :2], grid_xy + ltrb[..., 2:]], dim=-1)


def keep_peaks(heat: Tensor) -> Tensor:
    """Return ``heat`` (B, K, H, W) with everything but the maxima of 3x3 windows set to 0."""
    return heat * (F.max_pool2d(heat, 3, stride=1, padding=1) == heat)


def _candidates(levels: Sequence[LevelPrediction], p: DecodeParams) -> Candidates:
    """Return the candidates of all images; on a GPU also cells that are none, with score -1.

    Most cells are candidates. To know which, a GPU would be waited for. A graph has them, too.
    """
    per_level = [_best_of_level(level, p) for level in levels]
    boxes, heat, classes = (torch.cat(parts, dim=1) for parts in zip(*per_level, strict=True))
    images = torch.arange(len(heat), device=heat.device)[:, None].expand_as(heat)
    scores = torch.where(heat < 0, heat, heat.clamp(min=0).sqrt()) if p.sqrt_score else heat
    all_cells = Candidates(
        boxes.flatten(0, 1), scores.flatten(), classes.flatten(), images.flatten()
    )
    if heat.device.type == "cpu" and not torch.compiler.is_compiling():
        return all_cells.at((all_cells.scores >= 0).nonzero()[:, 0])
    return all_cells


def _best_of_level(level: LevelPrediction, p: DecodeParams) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hottest cells of each image in the order of the map.

    Their number T is the same for all images.

    Returns:
        Boxes (B, T, 4), heat (B, T), -1 where it is below the threshold, and classes (B, T).
    """
    heat = keep_peaks(level.heat) if p.peaks_only else level.heat
    num_classes = heat.shape[1]
    heat = heat.flatten(2).transpose(1, 2).flatten(1)  # (B, M * K)
    is_candidate = heat > p.score_threshold
    if level.gate is not None:
        heat = heat * level.gate.flatten(1).repeat_interleave(num_classes, dim=1)
    heat = heat.masked_fill(~is_candidate, -1)
    heat, index = _hottest(heat, p.pre_nms_topk)
    cells = index // num_classes
    ltrb = level.ltrb.flatten(2).transpose(1, 2) * level.stride_px  # (B, M, 4)
    ltrb = ltrb.gather(1, cells[..., None].expand(-1, -1, 4))
    boxes = ltrb_to_xyxy(level.grid_xy[cells], ltrb)
    boxes[..., 2:] = torch.maximum(boxes[..., 2:], boxes[..., :2] + _MIN_SIDE_PX)
    return boxes, heat, index % num_classes


def _hottest(heat: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Return the ``limit`` highest of heat (B, N) and their places, both (B, T), in their order.

    If there are not more, all are returned. In a graph that does not know, others of heat -1 are
    added.
    """
    if torch.compiler.is_compiling():
        last = heat.shape[1] - 1
        heat, index = F.pad(heat, (0, limit), value=-1.0).topk(limit, dim=1)
        return heat, index.clamp(max=last)
    index = torch.arange(heat.shape[1], device=heat.device).expand_as(heat)
    if heat.shape[1] <= limit:
        return heat, index
    index = heat.topk(limit, dim=1, sorted=False).indices.sort(dim=1).values
    return heat.gather(1, index), index


def _best_first(c: Candidates, num_images: int, p: DecodeParams) -> Candidates:
    """Return those that NMS leaves, image by image, highest score first.

    On a GPU the others follow, with score -1.
    """
    if p.apply_nms and c.boxes.device.type == "cpu":
        return c.at(_nms_of_each_image(c, num_images, p.nms_threshold))
    ranked = c.at(_order(c))
    if not p.apply_nms:
        return ranked
    boxes, scores, classes = (column.unflatten(0, (num_images, -1)) for column in ranked[:3])
    stays = nms_of_images(boxes, classes, scores >= 0, p.nms_threshold)
    left = ranked._replace(scores=ranked.scores.masked_fill(~stays.flatten(), -1))
    return left.at(_order(left))


def _order(c: Candidates) -> Tensor:
    """Return the indices by image, and by falling score within it."""
    by_score = c.scores.argsort(descending=True, stable=True)
    return by_score[c.images[by_score].argsort(stable=True)]


def _nms_of_each_image(c: Candidates, num_images: int, iou_threshold: float) -> Tensor:
    """Return the indices that survive, image by image, highest score first.

    NMS takes time with the square of its boxes on a CPU, and waiting costs nothing there.
    """
    starts = torch.searchsorted(c.images, torch.arange(num_images + 1)).tolist()
    kept = [
        batched_nms(c.boxes[a:b], c.scores[a:b], c.classes[a:b], iou_threshold) + a
        for a, b in pairwise(starts)
    ]
    return torch.cat(kept)


def _parts_of_images(best_first: Candidates, num_images: int, topk: int) -> list[slice]:
    """Return where the first ``topk`` of each image are; those that tie with the last one stay."""
    images, scores = best_first.images, best_first.scores
    if len(scores) == 0:
        return [slice(0, 0)] * num_images
    ends = torch.searchsorted(images, torch.arange(num_images, device=images.device), right=True)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    last = torch.minimum(starts + topk, ends) - 1
    lowest = scores[last.clamp(min=0)].clamp(min=0)  # (B,)
    stays = (scores >= lowest[images]).long()
    num_stay = torch.zeros_like(starts).index_add(0, images, stays)
    return [slice(start, start + n) for start, n in torch.stack([starts, num_stay], 1).tolist()]
