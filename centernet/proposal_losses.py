"""The losses of the proposal network: what the head predicts against the targets of a batch.

Shapes: L levels, A cells of a batch over all levels, K heat map channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from centernet.head import HeadOutput
from centernet.losses import BOX_LOSSES, FocalParams, heatmap_focal_loss
from centernet.processes import mean_over_processes
from centernet.targets import CenterNetTargets


@dataclass(frozen=True)
class LossParams:
    """How the losses are weighted and normalised."""

    box_loss: str = "giou"  # a key of BOX_LOSSES
    pos_weight: float = 1.0
    neg_weight: float = 1.0
    reg_weight: float = 2.0
    weigh_boxes_by_heat: bool = False
    average_over_ranks: bool = True  # normalise by the mean count of all processes

    @classmethod
    def from_config(cls, cfg) -> "LossParams":
        node = cfg.MODEL.CENTERNET
        if node.LOC_LOSS_TYPE not in BOX_LOSSES:
            raise ValueError(
                f"unknown MODEL.CENTERNET.LOC_LOSS_TYPE {node.LOC_LOSS_TYPE!r}; "
                f"choose one of {', '.join(BOX_LOSSES)}"
            )
        return cls(
            box_loss=node.LOC_LOSS_TYPE,
            pos_weight=node.POS_WEIGHT,
            neg_weight=node.NEG_WEIGHT,
            reg_weight=node.REG_WEIGHT,
            weigh_boxes_by_heat=not node.NOT_NORM_REG,
            average_over_ranks=not node.NO_REDUCE,
        )


def proposal_losses(
    outputs: Sequence[HeadOutput],
    targets: CenterNetTargets,
    regressed_inds: Tensor,
    counts: Tensor,
    focal: FocalParams,
    params: LossParams,
    excluded: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return ``loss_centernet_loc`` and the positive and negative heat map losses.

    Args:
        outputs: of L levels.
        regressed_inds: (Q,) int64 into the A cells: those that have an object.
        counts: (2,) what the heat map and the box losses are divided by, before the average over
            processes; see :func:`count_objects`.
        excluded: (A,) bool, cells that are no negatives; None: none.
    """
    num_positives, total_weight = _normalizers(counts, params)
    losses = {
        "loss_centernet_loc": _box_loss(outputs, targets, regressed_inds, params) / total_weight
    }
    class_logits = [o.class_logits for o in outputs if o.class_logits is not None]
    if class_logits:
        logits = flatten_levels(class_logits)  # (A, K)
        losses |= _heat_losses(
            "loss_centernet", logits, targets, num_positives, focal, params, excluded
        )
    agnostic_logits = [o.agnostic_logits for o in outputs if o.agnostic_logits is not None]
    if agnostic_logits:
        logits = flatten_levels(agnostic_logits)  # (A, 1)
        agnostic = targets._replace(
            labels=torch.zeros_like(targets.labels),
            heatmap=targets.heatmap.amax(dim=1, keepdim=True),
        )
        losses |= _heat_losses(
            "loss_centernet_agn", logits, agnostic, num_positives, focal, params, excluded
        )
    return losses


def count_objects(targets: CenterNetTargets, params: LossParams) -> Tensor:
    """Return how many cells are positive and how much the regressed boxes weigh, (2,) float32."""
    weights = _box_weights(targets, params)
    return torch.stack([weights.new_full((), len(targets.positive_inds)), weights.sum()])


def flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Return maps (B, K, H_l, W_l) as (A, K), in the order of the targets."""
    return torch.cat([m.permute(0, 2, 3, 1).reshape(-1, m.shape[1]) for m in maps])


def _heat_losses(
    prefix: str,
    logits: Tensor,
    targets: CenterNetTargets,
    num_positives: Tensor,
    focal: FocalParams,
    params: LossParams,
    excluded: Tensor | None,
) -> dict[str, Tensor]:
    """Return the losses of one heat map, logits (A, K)."""
    pos, neg = heatmap_focal_loss(
        logits, targets.heatmap, targets.positive_inds, targets.labels, focal, excluded
    )
    return {
        f"{prefix}_pos": params.pos_weight * pos / num_positives,
        f"{prefix}_neg": params.neg_weight * neg / num_positives,
    }


def _box_loss(
    outputs: Sequence[HeadOutput],
    targets: CenterNetTargets,
    regressed_inds: Tensor,
    params: LossParams,
) -> Tensor:
    """Return the weighted sum of the box losses of the cells with an object."""
    pred_ltrb = flatten_levels([o.ltrb for o in outputs])  # (A, 4)
    loss = BOX_LOSSES[params.box_loss](pred_ltrb[regressed_inds], targets.ltrb[regressed_inds])
    return params.reg_weight * (loss * _box_weights(targets, params)[regressed_inds]).sum()


def _box_weights(targets: CenterNetTargets, params: LossParams) -> Tensor:
    """Return the weight of each cell's box loss, (A,); 0 without an object."""
    weights = targets.has_object.float()
    if params.weigh_boxes_by_heat:
        weights = weights * targets.heatmap.amax(dim=1)
    return weights


def _normalizers(counts: Tensor, params: LossParams) -> Tensor:
    """Return ``counts`` (2,), averaged over processes, but at least 1."""
    shared = mean_over_processes(counts) if params.average_over_ranks else counts
    return shared.clamp(min=1)
