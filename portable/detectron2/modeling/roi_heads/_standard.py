"""Heads with separate branches for boxes and masks, each with its own pooling."""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances
from torch import nn

from ..poolers import ROIPooler
from ._base import ROI_HEADS_REGISTRY, ROIHeads, select_foreground_proposals
from .box_head import build_box_head
from .fast_rcnn import FastRCNNOutputLayers
from .mask_head import build_mask_head


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads):
    """The heads of Faster and Mask R-CNN on a feature pyramid.

    Args:
        box_in_features: names of the features for boxes, finest first.
        box_pooler: pools them.
        box_head: pooled features -> region features.
        box_predictor: region features -> classes and boxes.
        mask_in_features: names of the features for masks; None for no masks.
        mask_pooler: pools them.
        mask_head: pooled features -> masks.
        train_on_pred_boxes: in training, masks are of the boxes that the box branch predicts for
            the proposals, not of the proposals.
        **kwargs: arguments of `ROIHeads`.
    """

    @configurable
    def __init__(
        self,
        *,
        box_in_features: Sequence[str],
        box_pooler: ROIPooler,
        box_head: nn.Module,
        box_predictor: nn.Module,
        mask_in_features: Sequence[str] | None = None,
        mask_pooler: ROIPooler | None = None,
        mask_head: nn.Module | None = None,
        train_on_pred_boxes: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.train_on_pred_boxes = train_on_pred_boxes
        self.in_features = self.box_in_features = box_in_features
        self.box_pooler = box_pooler
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.mask_on = mask_in_features is not None
        if self.mask_on:
            self.mask_in_features = mask_in_features
            self.mask_pooler = mask_pooler
            self.mask_head = mask_head

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        return {
            **super().from_config(cfg),
            **cls._init_box_head(cfg, input_shape),
            **cls._init_mask_head(cfg, input_shape),
            "train_on_pred_boxes": cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES,
        }

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Return the constructor arguments of the box branch."""
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        pooler, pooled_shape = build_pooler(cfg.MODEL.ROI_BOX_HEAD, in_features, input_shape)
        box_head = build_box_head(cfg, pooled_shape)
        return {
            "box_in_features": in_features,
            "box_pooler": pooler,
            "box_head": box_head,
            "box_predictor": FastRCNNOutputLayers(cfg, box_head.output_shape),
        }

    @classmethod
    def _init_mask_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Return the constructor arguments of the mask branch; none if there is no such branch."""
        if not cfg.MODEL.MASK_ON:
            return {}
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        pooler, pooled_shape = build_pooler(cfg.MODEL.ROI_MASK_HEAD, in_features, input_shape)
        return {
            "mask_in_features": in_features,
            "mask_pooler": pooler,
            "mask_head": build_mask_head(cfg, pooled_shape),
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """Return instances and losses; see `ROIHeads`."""
        if not self.training:
            detections = self._forward_box(features, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals, targets)
        # The mask branch trains on the same proposals as the (first) box branch.
        losses.update(self._forward_mask(features, proposals))
        return proposals, losses

    def forward_with_given_boxes(
        self, features: dict[str, torch.Tensor], instances: list[Instances]
    ) -> list[Instances]:
        """Return instances, which have `pred_boxes` and `pred_classes`, with masks if there are any."""
        assert not self.training, "forward_with_given_boxes is for evaluation mode"
        return self._forward_mask(features, instances)

    def _forward_box(
        self,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """Return the losses of the box branch in training, else its detections.

        `targets` are for subclasses that match refined boxes anew.
        """
        maps = [features[name] for name in self.box_in_features]
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(self.box_head(pooled))
        if self.training:
            losses = self.box_predictor.losses(predictions, proposals)
            if self.train_on_pred_boxes:
                with torch.no_grad():
                    boxes = self.box_predictor.predict_boxes_for_gt_classes(predictions, proposals)
                for image, image_boxes in zip(proposals, boxes, strict=True):
                    image.proposal_boxes = Boxes(image_boxes)
            return losses
        detections, _ = self.box_predictor.inference(predictions, proposals)
        return detections

    def _forward_mask(
        self, features: dict[str, torch.Tensor], instances: list[Instances]
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """Return the loss of the mask branch in training, else the instances with masks.

        The instances are labelled proposals or have `pred_boxes` and `pred_classes`.
        """
        if not self.mask_on:
            return {} if self.training else instances
        if self.training:
            instances, _ = select_foreground_proposals(instances, self.num_classes)
        maps = [features[name] for name in self.mask_in_features]
        boxes = [x.proposal_boxes if self.training else x.pred_boxes for x in instances]
        return self.mask_head(self.mask_pooler(maps, boxes), instances)


def build_pooler(
    head: CfgNode, in_features: Sequence[str], input_shape: dict[str, ShapeSpec]
) -> tuple[ROIPooler, ShapeSpec]:
    """Return the pooler that the `POOLER_*` keys of a head describe, and the shape of its output.

    `in_features` are pooled from, finest first; they have equal channels.
    """
    side = head.POOLER_RESOLUTION
    pooler = ROIPooler(
        output_size=side,
        scales=[1.0 / input_shape[name].stride for name in in_features],
        sampling_ratio=head.POOLER_SAMPLING_RATIO,
        pooler_type=head.POOLER_TYPE,
    )
    channels = input_shape[in_features[0]].channels
    return pooler, ShapeSpec(channels=channels, height=side, width=side)
