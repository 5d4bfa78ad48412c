"""The CenterNet proposal network: features to class-agnostic (or class-wise) proposals.

Shapes: B images, L levels, F feature channels.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from centernet.decode import DecodeParams, LevelPrediction, decode_proposals
from centernet.head import CenterNetHead, HeadOutput
from centernet.losses import BOX_LOSSES, FocalParams
from centernet.more_positives import MorePositivesParams, well_regressed_cells
from centernet.proposal_losses import (
    LossParams,
    count_objects,
    flatten_levels,
    proposal_losses,
)
from centernet.targets import (
    CenterNetTargets,
    TargetParams,
    batch_targets,
    compute_grids,
    excluded_cells,
)


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

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        node = cfg.MODEL.CENTERNET
        _check_config(node, input_shape)
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
            "targets": TargetParams.from_config(cfg),
            "more_positives": MorePositivesParams.from_config(cfg),
            "focal": FocalParams.from_config(cfg),
            "losses": LossParams.from_config(cfg),
            "decode_train": DecodeParams.from_config(cfg, "TRAIN"),
            "decode_test": DecodeParams.from_config(cfg, "TEST"),
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        gt_instances: list[Instances] | None = None,
        object_counts: Tensor | None = None,
        excluded_boxes: Sequence[Tensor] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return proposals and, in training, losses.

        Proposals carry ``proposal_boxes`` (xyxy pixels, not clipped) and ``objectness_logits``,
        which hold the *score* in (0, 1); at test time also ``scores`` and ``pred_classes``.
        They come from the weights before the training step.

        Args:
            object_counts: (2,) of :meth:`count_targets`; what the losses are normalised by instead
                of the batch's own counts. Several batches of one step share the mean of theirs, as
                processes do.
            excluded_boxes: B tensors (Z, 4) xyxy pixels, in which no cell is a negative; None: none.
        """
        maps = [features[name] for name in self.in_features]
        outputs = self.centernet_head(maps)
        grids = self.compute_grids(maps)
        losses = {}
        if self.training and gt_instances is not None:
            shapes_hw = _shapes_tensor(_shapes_hw(maps), maps[0].device)
            targets, regressed_inds = self._targets(grids, shapes_hw, gt_instances)
            excluded = None
            if excluded_boxes is not None:
                excluded = excluded_cells(grids, excluded_boxes, self.target_params)
            losses = self.losses(
                *(outputs, targets, regressed_inds, gt_instances, shapes_hw, object_counts),
                excluded,
            )
        return self._propose(outputs, grids, images.image_sizes), losses

    def compute_grids(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the cell centres (H_l * W_l, 2) in pixels of maps (B, F, H_l, W_l)."""
        shapes_hw, device = _shapes_hw(features), features[0].device
        strides_px = self.target_params.strides_px
        if torch.compiler.is_compiling():  # what a graph is made with is no tensor to keep
            return compute_grids(shapes_hw, strides_px, device)
        return list(_kept_grids(shapes_hw, strides_px, device))

    def level_predictions(
        self, outputs: Sequence[HeadOutput], grids: Sequence[Tensor]
    ) -> list[LevelPrediction]:
        """Return what proposals are decoded from."""
        return [
            _level_prediction(output, grid, stride)
            for output, grid, stride in zip(
                outputs, grids, self.target_params.strides_px, strict=True
            )
        ]

    def _get_ground_truth(
        self, grids: Sequence[Tensor], shapes_hw: Tensor, gt_instances: Sequence[Instances]
    ) -> CenterNetTargets:
        """Return the targets of a batch; ``shapes_hw``: (L, 2) sizes of the feature maps."""
        return self._targets(grids, shapes_hw, gt_instances)[0]

    @torch.no_grad()
    def _targets(
        self, grids: Sequence[Tensor], shapes_hw: Tensor, gt_instances: Sequence[Instances]
    ) -> tuple[CenterNetTargets, Tensor]:
        """Return the targets of a batch and the cells (Q,) that regress a box."""
        return batch_targets(
            grids, gt_instances, shapes_hw.long(), self.num_classes or 1, self.target_params
        )

    @torch.no_grad()
    def count_targets(
        self, gt_instances: Sequence[Instances], padded_size_hw: tuple[int, int]
    ) -> Tensor:
        """Return how many cells are positive and how many regress a box, (2,) float32.

        Args:
            padded_size_hw: of the batch's images, in pixels.
        """
        height, width = padded_size_hw
        strides_px = self.target_params.strides_px
        shapes_hw = tuple((-(-height // s), -(-width // s)) for s in strides_px)
        device = gt_instances[0].gt_boxes.device
        grids = _kept_grids(shapes_hw, strides_px, device)
        targets = self._get_ground_truth(grids, _shapes_tensor(shapes_hw, device), gt_instances)
        return count_objects(targets, self.loss_params)

    def losses(
        self,
        outputs: Sequence[HeadOutput],
        targets: CenterNetTargets,
        regressed_inds: Tensor,
        gt_instances: Sequence[Instances],
        shapes_hw: Tensor,
        object_counts: Tensor | None = None,
        excluded: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss_centernet_loc`` and the positive and negative heat map losses.

        ``regressed_inds``: (Q,) the cells that regress a box. ``excluded``: (A,) bool, cells that
        are no negatives.
        """
        if self.more_positives is not None:
            positive_inds, labels = well_regressed_cells(
                flatten_levels([o.ltrb for o in outputs]).detach(),
                gt_instances,
                shapes_hw.long(),
                self.target_params,
                self.more_positives,
                BOX_LOSSES[self.loss_params.box_loss],
            )
            targets = targets._replace(positive_inds=positive_inds, labels=labels)
        if object_counts is None:
            object_counts = count_objects(targets, self.loss_params)
        return proposal_losses(
            *(outputs, targets, regressed_inds, object_counts),
            *(self.focal_params, self.loss_params, excluded),
        )

    def _propose(
        self,
        outputs: Sequence[HeadOutput],
        grids: Sequence[Tensor],
        image_sizes_hw: Sequence[tuple[int, int]],
    ) -> list[Instances]:
        levels = self.level_predictions(outputs, grids)
        proposals = decode_proposals(levels, image_sizes_hw, self.decode_params[self.training])
        for p in proposals:
            p.proposal_boxes = p.pred_boxes
            p.objectness_logits = p.scores
            p.remove("pred_boxes")
            if self.training:
                p.remove("scores")
                p.remove("pred_classes")
        return proposals


# Both are kept: images come in few sizes, and nobody changes the tensors.
@lru_cache(maxsize=32)
def _kept_grids(
    shapes_hw: tuple[tuple[int, int], ...], strides_px: tuple[int, ...], device: torch.device
) -> tuple[Tensor, ...]:
    return tuple(compute_grids(shapes_hw, strides_px, device))


@lru_cache(maxsize=32)
def _shapes_tensor(shapes_hw: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Return the sizes of feature maps as (L, 2) int64."""
    return torch.tensor(shapes_hw, dtype=torch.int64, device=device)


def _shapes_hw(maps: Sequence[Tensor]) -> tuple[tuple[int, int], ...]:
    return tuple((x.shape[2], x.shape[3]) for x in maps)


def _check_config(node, input_shape: dict[str, ShapeSpec]) -> None:
    """Refuse what cannot be built."""
    if node.USE_DEFORMABLE:
        raise ValueError(
            "MODEL.CENTERNET.USE_DEFORMABLE needs a compiled operator; set it to False"
        )
    if node.ONLY_PROPOSAL and not node.WITH_AGN_HM:
        raise ValueError("MODEL.CENTERNET.ONLY_PROPOSAL needs WITH_AGN_HM, its only heat map")
    strides_px = [input_shape[name].stride for name in node.IN_FEATURES]
    if list(node.FPN_STRIDES) != strides_px:
        raise ValueError(
            f"MODEL.CENTERNET.FPN_STRIDES is {list(node.FPN_STRIDES)}, but the features "
            f"{', '.join(node.IN_FEATURES)} have strides of {strides_px} pixels"
        )


def _level_prediction(output: HeadOutput, grid_xy: Tensor, stride_px: int) -> LevelPrediction:
    """Return heat from class logits gated by the agnostic map, or from the latter alone."""
    agnostic = None if output.agnostic_logits is None else output.agnostic_logits.sigmoid()
    if output.class_logits is not None:
        heat = output.class_logits.sigmoid()
        return LevelPrediction(heat, output.ltrb, agnostic, grid_xy, stride_px)
    assert agnostic is not None  # a head has one of both
    return LevelPrediction(agnostic, output.ltrb, None, grid_xy, stride_px)
