"""The CenterNet proposal network: features to class-agnostic (or class-wise) proposals.

Shape legend: B images, L levels, A cells of a batch over all levels, N cells with an object.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY
from detectron2.structures import ImageList, Instances
from detectron2.utils import comm
from torch import Tensor, nn

from centernet.decode import DecodeParams, LevelPrediction, decode_proposals
from centernet.head import CenterNetHead, HeadOutput
from centernet.losses import BOX_LOSSES, FocalParams, heatmap_focal_loss
from centernet.more_positives import MorePositivesParams, well_regressed_cells
from centernet.targets import (
    CenterNetTargets,
    TargetParams,
    compute_grids,
    dense_targets,
    positive_cells,
)


@dataclass(frozen=True)
class LossParams:
    """How the losses are weighted and normalised."""

    box_loss: str = "giou"  # a key of BOX_LOSSES
    pos_weight: float = 1.0
    neg_weight: float = 1.0
    reg_weight: float = 2.0
    weigh_boxes_by_heat: bool = False
    average_over_ranks: bool = True  # normalise by the mean count of all processes


@PROPOSAL_GENERATOR_REGISTRY.register()
class CenterNet(nn.Module):
    """Proposals from centre heat maps (CenterNet2, arXiv 2103.07461)."""

    @configurable
    def __init__(
        self,
        *,
        head: CenterNetHead,
        in_features: Sequence[str],
        num_classes: int | None,
        targets: TargetParams,
        more_positives: MorePositivesParams | None,
        focal: FocalParams,
        losses: LossParams,
        decode_train: DecodeParams,
        decode_test: DecodeParams,
    ):
        """``num_classes`` None: one agnostic heat map. ``more_positives`` None: centres only."""
        super().__init__()
        self.centernet_head = head
        self.in_features = list(in_features)
        self.num_classes = num_classes
        self.target_params = targets
        self.more_positives = more_positives
        self.focal_params = focal
        self.loss_params = losses
        self.decode_params = {True: decode_train, False: decode_test}
        self._fixed_counts: Tensor | None = None

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        node = cfg.MODEL.CENTERNET
        _check_config(node)
        num_classes = None if node.ONLY_PROPOSAL else node.NUM_CLASSES
        return {
            "head": CenterNetHead(
                in_channels=input_shape[node.IN_FEATURES[0]].channels,
                num_levels=len(node.IN_FEATURES),
                num_classes=num_classes,
                with_agnostic_heatmap=node.WITH_AGN_HM,
                num_share_convs=node.NUM_SHARE_CONVS,
                num_cls_convs=node.NUM_CLS_CONVS,
                num_box_convs=node.NUM_BOX_CONVS,
                norm=node.NORM,
                prior_prob=node.PRIOR_PROB,
            ),
            "in_features": node.IN_FEATURES,
            "num_classes": num_classes,
            "targets": TargetParams(
                strides_px=tuple(node.FPN_STRIDES),
                size_ranges_px=tuple(tuple(r) for r in node.SOI[: len(node.IN_FEATURES)]),
                min_overlap=node.HM_MIN_OVERLAP,
                min_radius_px=node.MIN_RADIUS,
                clamp_centers=cfg.INPUT.NOT_CLAMP_BOX,
            ),
            "more_positives": (
                MorePositivesParams(node.MORE_POS_THRESH, node.MORE_POS_TOPK)
                if node.MORE_POS
                else None
            ),
            "focal": FocalParams(
                alpha=node.HM_FOCAL_ALPHA,
                beta=node.HM_FOCAL_BETA,
                gamma=node.LOSS_GAMMA,
                sigmoid_clamp=node.SIGMOID_CLAMP,
                ignore_high_fp=node.IGNORE_HIGH_FP,
            ),
            "losses": LossParams(
                box_loss=node.LOC_LOSS_TYPE,
                pos_weight=node.POS_WEIGHT,
                neg_weight=node.NEG_WEIGHT,
                reg_weight=node.REG_WEIGHT,
                weigh_boxes_by_heat=not node.NOT_NORM_REG,
                average_over_ranks=not node.NO_REDUCE,
            ),
            "decode_train": _decode_params(node, "TRAIN"),
            "decode_test": _decode_params(node, "TEST"),
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        gt_instances: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return proposals and, in training, losses.

        Proposals carry ``proposal_boxes`` (xyxy pixels, not clipped) and ``objectness_logits``,
        which hold the *score* in (0, 1); at test time also ``scores`` and ``pred_classes``.
        They come from the weights before the training step.
        """
        maps = [features[name] for name in self.in_features]
        outputs = self.centernet_head(maps)
        grids = self.compute_grids(maps)
        losses = {}
        if self.training:
            shapes_hw = grids[0].new_tensor([x.shape[2:] for x in maps])
            targets = self._get_ground_truth(grids, shapes_hw, gt_instances)
            losses = self.losses(outputs, targets, gt_instances, shapes_hw)
        return self._propose(outputs, grids, images.image_sizes), losses

    def compute_grids(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the cell centres (H_l * W_l, 2) in pixels of maps (B, F, H_l, W_l)."""
        shapes_hw = [tuple(x.shape[2:]) for x in features]
        return compute_grids(shapes_hw, self.target_params.strides_px, features[0].device)

    @torch.no_grad()
    def _get_ground_truth(
        self, grids: Sequence[Tensor], shapes_hw: Tensor, gt_instances: Sequence[Instances]
    ) -> CenterNetTargets:
        """Return the targets of a batch; ``shapes_hw``: (L, 2) sizes of the feature maps."""
        positive_inds, labels = positive_cells(gt_instances, shapes_hw.long(), self.target_params)
        ltrb, heatmap = dense_targets(
            grids, gt_instances, self.num_classes or 1, self.target_params
        )
        return CenterNetTargets(positive_inds, labels, ltrb, heatmap)

    @torch.no_grad()
    def count_targets(
        self, gt_instances: Sequence[Instances], padded_size_hw: tuple[int, int]
    ) -> Tensor:
        """Return how many cells are positive and how many regress a box, (2,) float32.

        Args:
            padded_size_hw: of the batch's images, in pixels.
        """
        shapes_hw = [
            tuple(-(-side // stride) for side in padded_size_hw)
            for stride in self.target_params.strides_px
        ]
        device = gt_instances[0].gt_boxes.device
        grids = compute_grids(shapes_hw, self.target_params.strides_px, device)
        targets = self._get_ground_truth(grids, grids[0].new_tensor(shapes_hw), gt_instances)
        return torch.stack(
            [grids[0].new_tensor(len(targets.positive_inds)), self._box_weights(targets).sum()]
        )

    @contextmanager
    def normalized_by(self, counts: Tensor) -> Iterator[None]:
        """Normalise losses by ``counts`` (of :meth:`count_targets`) instead of the batch's own.

        Several batches of one step share the mean of their counts, as processes do.
        """
        self._fixed_counts = counts
        try:
            yield
        finally:
            self._fixed_counts = None

    def losses(
        self,
        outputs: Sequence[HeadOutput],
        targets: CenterNetTargets,
        gt_instances: Sequence[Instances],
        shapes_hw: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``loss_centernet_loc`` and the positive and negative heat map losses."""
        pred_ltrb = _flatten_levels([o.ltrb for o in outputs])  # (A, 4)
        positive_inds, labels = targets.positive_inds, targets.labels
        if self.more_positives is not None:
            positive_inds, labels = well_regressed_cells(
                pred_ltrb.detach(),
                gt_instances,
                shapes_hw.long(),
                self.target_params,
                self.more_positives,
                BOX_LOSSES[self.loss_params.box_loss],
            )
        weights = self._box_weights(targets)
        counts = self._fixed_counts
        if counts is None:
            counts = torch.stack([weights.new_tensor(len(positive_inds)), weights.sum()])
        num_positives, total_weight = self._averaged(counts)
        losses = {
            "loss_centernet_loc": self._box_loss(pred_ltrb, targets.ltrb, weights) / total_weight
        }
        if outputs[0].class_logits is not None:
            logits = _flatten_levels([o.class_logits for o in outputs])  # (A, C)
            pos, neg = heatmap_focal_loss(
                logits, targets.heatmap, positive_inds, labels, self.focal_params
            )
            losses |= self._heat_losses("loss_centernet", pos, neg, num_positives)
        if outputs[0].agnostic_logits is not None:
            logits = _flatten_levels([o.agnostic_logits for o in outputs])  # (A, 1)
            heat = targets.heatmap.amax(dim=1, keepdim=True)
            pos, neg = heatmap_focal_loss(
                logits, heat, positive_inds, torch.zeros_like(labels), self.focal_params
            )
            losses |= self._heat_losses("loss_centernet_agn", pos, neg, num_positives)
        return losses

    def _heat_losses(self, prefix: str, pos: Tensor, neg: Tensor, count: Tensor) -> dict:
        return {
            f"{prefix}_pos": self.loss_params.pos_weight * pos / count,
            f"{prefix}_neg": self.loss_params.neg_weight * neg / count,
        }

    def _box_weights(self, targets: CenterNetTargets) -> Tensor:
        """Return the weight of each cell's box loss, (A,); 0 without an object."""
        weights = (targets.ltrb.amax(dim=1) >= 0).float()
        if self.loss_params.weigh_boxes_by_heat:
            weights = weights * targets.heatmap.amax(dim=1)
        return weights

    def _box_loss(self, pred_ltrb: Tensor, target_ltrb: Tensor, weights: Tensor) -> Tensor:
        """Return the weighted sum of the box losses of the cells with an object."""
        has_object = target_ltrb.amax(dim=1) >= 0
        box_loss = BOX_LOSSES[self.loss_params.box_loss]
        loss = box_loss(pred_ltrb[has_object], target_ltrb[has_object])
        return self.loss_params.reg_weight * (loss * weights[has_object]).sum()

    def _averaged(self, counts: Tensor) -> Tensor:
        """Return ``counts`` (2,), averaged over processes, but at least 1."""
        world_size = comm.get_world_size()
        if self.loss_params.average_over_ranks and world_size > 1:
            counts = counts.clone()
            torch.distributed.all_reduce(counts)
            counts = counts / world_size
        return counts.clamp(min=1)

    def _propose(
        self,
        outputs: Sequence[HeadOutput],
        grids: Sequence[Tensor],
        image_sizes_hw: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        levels = [
            _level_prediction(output, grid, stride)
            for output, grid, stride in zip(
                outputs, grids, self.target_params.strides_px, strict=True
            )
        ]
        proposals = decode_proposals(levels, image_sizes_hw, self.decode_params[self.training])
        for p in proposals:
            p.proposal_boxes = p.pred_boxes
            p.objectness_logits = p.scores
            p.remove("pred_boxes")
            if self.training:
                p.remove("scores")
                p.remove("pred_classes")
        return proposals


def _check_config(node) -> None:
    """Refuse what cannot be built."""
    if node.USE_DEFORMABLE:
        raise ValueError(
            "MODEL.CENTERNET.USE_DEFORMABLE needs a compiled operator; set it to False"
        )
    if node.LOC_LOSS_TYPE not in BOX_LOSSES:
        raise ValueError(
            f"unknown MODEL.CENTERNET.LOC_LOSS_TYPE {node.LOC_LOSS_TYPE!r}; "
            f"choose one of {', '.join(BOX_LOSSES)}"
        )
    if node.ONLY_PROPOSAL and not node.WITH_AGN_HM:
        raise ValueError("MODEL.CENTERNET.ONLY_PROPOSAL needs WITH_AGN_HM, its only heat map")


def _decode_params(node, mode: str) -> DecodeParams:
    """Return the decoding parameters of ``mode``, TRAIN or TEST."""
    return DecodeParams(
        score_threshold=node.INFERENCE_TH,
        pre_nms_topk=node[f"PRE_NMS_TOPK_{mode}"],
        post_nms_topk=node[f"POST_NMS_TOPK_{mode}"],
        nms_threshold=0.0 if node.NOT_NMS else node[f"NMS_TH_{mode}"],
        peaks_only=node.CENTER_NMS,
        sqrt_score=node.WITH_AGN_HM,
    )


def _level_prediction(output: HeadOutput, grid_xy: Tensor, stride_px: int) -> LevelPrediction:
    """Return heat from class logits gated by the agnostic map, or from the latter alone."""
    agnostic = None if output.agnostic_logits is None else output.agnostic_logits.sigmoid()
    if output.class_logits is None:
        heat, gate = agnostic, None
    else:
        heat, gate = output.class_logits.sigmoid(), agnostic
    return LevelPrediction(heat, output.ltrb, gate, grid_xy, stride_px)


def _flatten_levels(maps: Sequence[Tensor]) -> Tensor:
    """Return maps (B, K, H_l, W_l) as (A, K), in the order of the targets."""
    return torch.cat([m.permute(0, 2, 3, 1).reshape(-1, m.shape[1]) for m in maps])
