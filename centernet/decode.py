"""Heat maps and box distances to proposals.

Shapes: B images, M cells of one level, K heat map channels, N candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor
from torch.nn import functional as F

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


@torch.no_grad()
def decode_proposals(
    levels: Sequence[LevelPrediction], image_sizes_hw: Sequence[tuple[int, int]], p: DecodeParams
) -> list[Instances]:
    """Return each image's proposals, highest score first.

    Returns:
        B Instances with ``pred_boxes`` (xyxy pixels, not clipped to the image), ``scores`` and
        ``pred_classes`` (channel of the heat map).
    """
    per_level = [_decode_level(level, p) for level in levels]
    return [
        _merge_levels([level[i] for level in per_level], size_hw, p)
        for i, size_hw in enumerate(image_sizes_hw)
    ]


def ltrb_to_xyxy(grid_xy: Tensor, ltrb: Tensor) -> Tensor:
    """Return boxes (N, 4) from inner points (N, 2) and distances (N, 4), all in pixels.

    >>> ltrb_to_xyxy(torch.tensor([[10.0, 20.0]]), torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    tensor([[ 9., 18., 13., 24.]])
    """
    return torch.cat([grid_xy - ltrb[:, :2], grid_xy + ltrb[:, 2:]], dim=1)


def keep_peaks(heat: Tensor) -> Tensor:
    """Return ``heat`` (B, K, H, W) with everything but the maxima of 3x3 windows set to 0."""
    return heat * (F.max_pool2d(heat, 3, stride=1, padding=1) == heat)


def _decode_level(level: LevelPrediction, p: DecodeParams) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return per image the candidates' boxes (N, 4), scores (N,) and classes (N,)."""
    heat = keep_peaks(level.heat) if p.peaks_only else level.heat
    heat = heat.flatten(2).transpose(1, 2)  # (B, M, K)
    is_candidate = heat > p.score_threshold
    if level.gate is not None:
        heat = heat * level.gate.flatten(2).transpose(1, 2)
    ltrb = level.ltrb.flatten(2).transpose(1, 2) * level.stride_px  # (B, M, 4)
    return [
        _decode_image(*image, level.grid_xy, p)
        for image in zip(heat, is_candidate, ltrb, strict=True)
    ]


def _decode_image(
    heat: Tensor, is_candidate: Tensor, ltrb: Tensor, grid_xy: Tensor, p: DecodeParams
) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes (N, 4), scores (N,) and classes (N,) of one image on one level."""
    cells, classes = is_candidate.nonzero(as_tuple=True)
    scores = heat[is_candidate]
    if len(scores) > p.pre_nms_topk:
        scores, best = scores.topk(p.pre_nms_topk, sorted=False)
        cells, classes = cells[best], classes[best]
    boxes = ltrb_to_xyxy(grid_xy[cells], ltrb[cells])
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + _MIN_SIDE_PX)
    return boxes, scores.sqrt() if p.sqrt_score else scores, classes


def _merge_levels(
    levels: Sequence[tuple[Tensor, Tensor, Tensor]], image_size_hw: tuple[int, int], p: DecodeParams
) -> Instances:
    """Return the proposals of one image over all levels."""
    boxes, scores, classes = (torch.cat(parts) for parts in zip(*levels, strict=True))
    if p.apply_nms:
        order = batched_nms(boxes, scores, classes, p.nms_threshold)
    else:
        order = scores.argsort(descending=True)
    if len(order) > p.post_nms_topk:
        # Proposals that tie with the last one stay.
        order = order[scores[order] >= scores[order[p.post_nms_topk - 1]]]
    proposals = Instances(image_size_hw)
    proposals.pred_boxes = Boxes(boxes[order])
    proposals.scores = scores[order]
    proposals.pred_classes = classes[order]
    return proposals
