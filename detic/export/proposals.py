"""Proposals of one image, always as many: those that there are not have no area.

Shapes: A anchors of a level, M candidates of all levels, R proposals, H x W cells of a map.
"""

from typing import Any

import torch
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor
from torch.nn import functional as F

from centernet.decode import decode_in_graph
from centernet.nms_in_graphs import nms_of_fixed_size, on_a_square, take_or_zero
from centernet.proposal_generator import CenterNet
from detic.errors import InputError


def propose(generator: Any, images: ImageList, features: dict[str, Tensor]) -> Instances:
    """Return what a proposal generator does, as its heads want it.

    Raises:
        InputError: it is of a kind that cannot be in a graph.
    """
    (size_hw,) = images.image_sizes
    maps = [features[name] for name in generator.in_features]
    if isinstance(generator, CenterNet):
        boxes, scores = _of_centernet(generator, maps)
        fields = {"objectness_logits": scores, "scores": scores}
    elif isinstance(generator, RPN):
        boxes, logits = _of_rpn(generator, maps, size_hw)
        fields = {"objectness_logits": logits}
    else:
        raise InputError(
            f"proposals of {type(generator).__name__} cannot be exported; MODEL.PROPOSAL_GENERATOR.NAME "
            "can be CenterNet or RPN"
        )
    return Instances(size_hw, proposal_boxes=Boxes(boxes), **fields)


def _of_centernet(generator: CenterNet, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    levels = generator.level_predictions(
        generator.centernet_head(maps), generator.compute_grids(maps)
    )
    return decode_in_graph(levels, generator.decode_params[False])


def _of_rpn(rpn: RPN, maps: list[Tensor], size_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return boxes (R, 4) and logits (R,), best first."""
    limit = rpn.pre_nms_topk[False]
    logits_of, deltas_of = rpn.rpn_head(maps)
    tops = [
        _top_of_level(rpn, *level, limit)
        for level in zip(rpn.anchor_generator(maps), logits_of, deltas_of, strict=True)
    ]
    boxes, logits = (torch.cat(parts) for parts in zip(*tops, strict=True))
    clipped = Boxes(boxes)
    clipped.clip(size_hw)
    order = logits.argsort(descending=True)
    boxes, logits = clipped.tensor[order], logits[order]
    level = torch.arange(len(tops)).repeat_interleave(limit)[order]
    is_real = logits.isfinite() & Boxes(boxes).nonempty(rpn.min_box_size)
    # Logits may be negative, which scores of NMS must not be; their ranks decide as well.
    ranks = torch.arange(len(logits), 0, -1.0)
    best = nms_of_fixed_size(
        on_a_square(boxes, level), ranks.where(is_real, 0), rpn.nms_thresh, rpn.post_nms_topk[False]
    )
    return take_or_zero(boxes, best), take_or_zero(logits, best)


def _top_of_level(
    rpn: RPN, anchors: Boxes, logits: Tensor, deltas: Tensor, limit: int
) -> tuple[Tensor, Tensor]:
    """Return the best boxes (limit, 4) of a level and their logits, infinite where there are not so many.

    Args:
        logits, deltas: (1, A, H, W) and (1, A * 4, H, W).
    """
    logits = logits.permute(0, 2, 3, 1).flatten()  # (H * W * A,)
    height, width = deltas.shape[2:]
    deltas = deltas.view(-1, 4, height, width).permute(2, 3, 0, 1).reshape(-1, 4)
    best, index = F.pad(logits, (0, limit), value=-torch.inf).topk(limit)
    index = index.clamp(max=logits.shape[0] - 1)
    return rpn.box2box_transform.apply_deltas(deltas[index], anchors.tensor[index]), best
