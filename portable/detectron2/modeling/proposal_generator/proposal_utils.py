"""Select proposals, and mix the ground truth into them for training.

Boxes are (x1, y1, x2, y2) in pixels of the network input. Shapes: B images, A anchors of a level,
P candidates of an image over all levels.
"""

import math

import torch
from detectron2.layers import batched_nms, cat
from detectron2.structures import Boxes, Instances

# Ground truth is a proposal of probability 1 - 1e-10: its logit, about 23, tops predicted ones.
_GT_OBJECTNESS_LOGIT = math.log((1.0 - 1e-10) / 1e-10)


def find_top_rpn_proposals(
    proposals: list[torch.Tensor],
    pred_objectness_logits: list[torch.Tensor],
    image_sizes: list[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
    training: bool,
) -> list[Instances]:
    """Return the best proposals of each image, best first.

    Per level the `pre_nms_topk` highest scores are kept, clipped to the image, and suppressed among
    themselves; then the `post_nms_topk` best over all levels remain.

    Args:
        proposals: per level (B, A, 4) decoded boxes.
        pred_objectness_logits: per level (B, A).
        image_sizes: (height, width) of each image without padding.
        nms_thresh: IoU above which the lower score is dropped.
        min_box_size: boxes whose width or height is not above this many pixels are dropped.
        training: raise FloatingPointError for non-finite predictions instead of dropping them.

    Returns:
        Per image, Instances with `proposal_boxes` and `objectness_logits`.
    """
    boxes, scores, levels = _top_of_each_level(proposals, pred_objectness_logits, pre_nms_topk)
    results = []
    for image_boxes, image_scores, size_hw in zip(boxes, scores, image_sizes, strict=True):
        finite = torch.isfinite(image_boxes).all(dim=1) & torch.isfinite(image_scores)
        if training and not bool(finite.all()):
            raise FloatingPointError(
                "proposals or their scores are NaN or infinite: training has diverged; "
                "lower the learning rate or clip gradients"
            )
        clipped = Boxes(image_boxes[finite])
        clipped.clip(size_hw)
        candidates = Instances(
            size_hw, proposal_boxes=clipped, objectness_logits=image_scores[finite]
        )
        large = clipped.nonempty(threshold=min_box_size)
        candidates, candidate_levels = candidates[large], levels[finite][large]
        best = batched_nms(
            candidates.proposal_boxes.tensor,
            candidates.objectness_logits,
            candidate_levels,
            nms_thresh,
        )
        results.append(candidates[best[:post_nms_topk]])
    return results


def _top_of_each_level(
    boxes_of_level: list[torch.Tensor], scores_of_level: list[torch.Tensor], count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return boxes (B, P, 4), scores (B, P) and the level of each candidate (P,)."""
    boxes, scores, levels = [], [], []
    for level, (level_boxes, level_scores) in enumerate(
        zip(boxes_of_level, scores_of_level, strict=True)
    ):
        top_scores, index = level_scores.topk(min(count, level_scores.shape[1]), dim=1)
        boxes.append(level_boxes.gather(1, index[..., None].expand(-1, -1, 4)))
        scores.append(top_scores)
        levels.append(torch.full_like(index[0], level))
    return cat(boxes, dim=1), cat(scores, dim=1), cat(levels)


def add_ground_truth_to_proposals(
    gt: list[Instances] | list[Boxes], proposals: list[Instances]
) -> list[Instances]:
    """Return proposals with the ground-truth boxes of each image appended.

    Fields of proposals besides `proposal_boxes` and `objectness_logits` must be fields of `gt` too.
    """
    pairs = zip(gt, proposals, strict=True)
    return [add_ground_truth_to_proposals_single_image(g, p) for g, p in pairs]


def add_ground_truth_to_proposals_single_image(
    gt: Instances | Boxes, proposals: Instances
) -> Instances:
    """Return the proposals of one image, with its ground-truth boxes appended."""
    if isinstance(gt, Boxes):
        gt = Instances(proposals.image_size, gt_boxes=gt)
    logits = proposals.objectness_logits
    as_proposals = {
        **gt.get_fields(),
        "proposal_boxes": gt.gt_boxes,
        "objectness_logits": logits.new_full((len(gt),), _GT_OBJECTNESS_LOGIT),
    }
    fields = {name: as_proposals[name] for name in proposals.get_fields()}
    return Instances.cat([proposals, Instances(proposals.image_size, **fields)])
