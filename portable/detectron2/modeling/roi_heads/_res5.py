"""Heads that run the last ResNet stage on every region (the "C4" architecture).

Shapes: N regions, C channels.
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances
from torch import nn

from ..backbone.resnet import BottleneckBlock, ResNet
from ..poolers import ROIPooler
from ._base import ROI_HEADS_REGISTRY, ROIHeads, select_foreground_proposals
from ._standard import build_pooler
from .fast_rcnn import FastRCNNOutputLayers
from .mask_head import build_mask_head

# The widths of res5 relative to those of res2.
_RES5_WIDTH_FACTOR = 8


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeads(ROIHeads):
    """Boxes from the mean of res5 over a region, masks from the same res5 feature.

    Args:
        in_features: name of the one feature to pool from.
        pooler: pools it.
        res5: pooled features -> region features of half the size.
        box_predictor: mean region features -> classes and boxes.
        mask_head: region features -> masks; None for no masks.
        **kwargs: arguments of `ROIHeads`.
    """

    @configurable
    def __init__(
        self,
        *,
        in_features: Sequence[str],
        pooler: ROIPooler,
        res5: nn.Module,
        box_predictor: nn.Module,
        mask_head: nn.Module | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.in_features = in_features
        self.pooler = pooler
        self.res5 = res5
        self.box_predictor = box_predictor
        self.mask_on = mask_head is not None
        if self.mask_on:
            self.mask_head = mask_head

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        if len(in_features) != 1:
            raise ValueError(f"{cls.__name__} pools from one feature, got {list(in_features)}")
        pooler, _ = build_pooler(cfg.MODEL.ROI_BOX_HEAD, in_features, input_shape)
        res5, channels = cls._build_res5_block(cfg)
        arguments = {
            **super().from_config(cfg),
            "in_features": in_features,
            "pooler": pooler,
            "res5": res5,
            "box_predictor": FastRCNNOutputLayers(cfg, ShapeSpec(channels=channels)),
        }
        if cfg.MODEL.MASK_ON:
            arguments["mask_head"] = build_mask_head(cfg, ShapeSpec(channels=channels))
        return arguments

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        """Return the stage res5 of `MODEL.RESNETS` and the number of its output channels."""
        resnets = cfg.MODEL.RESNETS
        out_channels = resnets.RES2_OUT_CHANNELS * _RES5_WIDTH_FACTOR
        blocks = ResNet.make_stage(
            BottleneckBlock,
            3,
            stride_per_block=[2, 1, 1],
            in_channels=out_channels // 2,
            bottleneck_channels=resnets.NUM_GROUPS * resnets.WIDTH_PER_GROUP * _RES5_WIDTH_FACTOR,
            out_channels=out_channels,
            num_groups=resnets.NUM_GROUPS,
            norm=resnets.NORM,
            stride_in_1x1=resnets.STRIDE_IN_1X1,
        )
        return nn.Sequential(*blocks), out_channels

    def _shared_roi_transform(
        self, features: list[torch.Tensor], boxes: list[Boxes]
    ) -> torch.Tensor:
        """Return the res5 features (N, C, side / 2, side / 2) of the boxes of all images."""
        return self.res5(self.pooler(features, boxes))

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """Return instances and losses; see `ROIHeads`."""
        if self.training:
            proposals = self.label_and_sample_proposals(proposals, targets)
        maps = [features[name] for name in self.in_features]
        region_features = self._shared_roi_transform(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(region_features.mean(dim=(2, 3)))
        if not self.training:
            detections, _ = self.box_predictor.inference(predictions, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        losses = self.box_predictor.losses(predictions, proposals)
        if self.mask_on:
            foreground, masks = select_foreground_proposals(proposals, self.num_classes)
            losses.update(self.mask_head(region_features[torch.cat(masks)], foreground))
        return proposals, losses

    def forward_with_given_boxes(
        self, features: dict[str, torch.Tensor], instances: list[Instances]
    ) -> list[Instances]:
        """Return instances, which have `pred_boxes` and `pred_classes`, with masks if there are any."""
        if not self.mask_on:
            return instances
        maps = [features[name] for name in self.in_features]
        region_features = self._shared_roi_transform(maps, [x.pred_boxes for x in instances])
        return self.mask_head(region_features, instances)
