"""Heads that refine boxes in several stages, each trained for a higher IoU.

Source: Cascade R-CNN (arXiv 1712.00726). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: P proposals of an image.
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import nn

from .._rows import rows_where
from ..box_regression import Box2BoxTransform
from ..matcher import Matcher
from ..poolers import ROIPooler
from ._base import ROI_HEADS_REGISTRY, classes_of_matches, log_sample_counts
from ._standard import StandardROIHeads, build_pooler
from .box_head import build_box_head
from .fast_rcnn import FastRCNNOutputLayers, _Predictions, fast_rcnn_inference


class _ScaleGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx, input: torch.Tensor, scale: float) -> torch.Tensor:
        ctx.scale = scale
        return input.view_as(input)

    @staticmethod
    def backward(ctx, grad_output: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad_output * ctx.scale, None


@ROI_HEADS_REGISTRY.register()
class CascadeROIHeads(StandardROIHeads):
    """Standard heads whose box branch is a cascade; masks train on the first stage's samples.

    `box_head` and `box_predictor` are `nn.ModuleList`s with one entry per stage.

    Args:
        box_heads, box_predictors: per stage, see `StandardROIHeads`.
        proposal_matchers: per stage, labels the boxes that enter it.
        **kwargs: arguments of `StandardROIHeads` but `proposal_matcher`.
    """

    @configurable
    def __init__(
        self,
        *,
        box_in_features: Sequence[str],
        box_pooler: ROIPooler,
        box_heads: Sequence[nn.Module],
        box_predictors: Sequence[nn.Module],
        proposal_matchers: Sequence[Matcher],
        **kwargs,
    ):
        super().__init__(
            box_in_features=box_in_features,
            box_pooler=box_pooler,
            box_head=nn.ModuleList(box_heads),
            box_predictor=nn.ModuleList(box_predictors),
            proposal_matcher=proposal_matchers[0],
            **kwargs,
        )
        self.num_cascade_stages = len(box_heads)
        self.proposal_matchers = proposal_matchers

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        if cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES:
            raise ValueError("cascade heads need MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES False")
        arguments = super().from_config(cfg, input_shape)
        del arguments["proposal_matcher"]  # the first of `proposal_matchers` stands for it
        return arguments

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Return the constructor arguments of the box branch."""
        cascade = cfg.MODEL.ROI_BOX_CASCADE_HEAD
        if not cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
            raise ValueError("cascade heads need MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG True")
        if cascade.IOUS[0] != cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS[0]:
            raise ValueError(
                f"the first of MODEL.ROI_BOX_CASCADE_HEAD.IOUS {tuple(cascade.IOUS)} must equal that "
                f"of MODEL.ROI_HEADS.IOU_THRESHOLDS {list(cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS)}"
            )
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        pooler, pooled_shape = build_pooler(cfg.MODEL.ROI_BOX_HEAD, in_features, input_shape)
        box_heads = [build_box_head(cfg, pooled_shape) for _ in cascade.IOUS]
        return {
            "box_in_features": in_features,
            "box_pooler": pooler,
            "box_heads": box_heads,
            "box_predictors": [
                FastRCNNOutputLayers(
                    cfg, head.output_shape, box2box_transform=Box2BoxTransform(weights=weights)
                )
                for head, weights in zip(box_heads, cascade.BBOX_REG_WEIGHTS, strict=True)
            ],
            "proposal_matchers": [
                Matcher([iou], [0, 1], allow_low_quality_matches=False) for iou in cascade.IOUS
            ],
        }

    def _forward_box(
        self,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """Return the losses of all stages in training, else the detections."""
        maps = [features[name] for name in self.box_in_features]
        image_sizes = [p.image_size for p in proposals]
        losses, scores, pred_boxes = {}, [], ()
        for stage, predictor in enumerate(self.box_predictor):
            if stage > 0:
                proposals = self._create_proposals_from_boxes(pred_boxes, image_sizes)
                if self.training:
                    proposals = self._match_and_label_boxes(proposals, stage, targets)
            predictions = self._run_stage(maps, proposals, stage)
            pred_boxes = predictor.predict_boxes(predictions, proposals)
            if self.training:
                stage_losses = predictor.losses(predictions, proposals)
                losses.update({f"{name}_stage{stage}": x for name, x in stage_losses.items()})
            else:
                scores.append(predictor.predict_probs(predictions, proposals))
        if self.training:
            return losses
        last = self.box_predictor[-1]
        detections, _ = fast_rcnn_inference(
            pred_boxes,
            [torch.stack(of_stages).mean(dim=0) for of_stages in zip(*scores, strict=True)],
            image_sizes,
            last.test_score_thresh,
            last.test_nms_thresh,
            last.test_topk_per_image,
        )
        return detections

    @torch.no_grad()
    def _match_and_label_boxes(
        self, proposals: list[Instances], stage: int, targets: list[Instances]
    ) -> list[Instances]:
        """Return all proposals that enter a stage, with `gt_classes` and `gt_boxes`."""
        for image, gt in zip(proposals, targets, strict=True):
            quality = pairwise_iou(gt.gt_boxes, image.proposal_boxes)
            matches, labels = self.proposal_matchers[stage](quality)
            image.gt_classes = classes_of_matches(matches, labels, gt.gt_classes, self.num_classes)
            if len(gt) > 0:
                image.gt_boxes = gt.gt_boxes[matches]
            else:
                image.gt_boxes = Boxes(torch.zeros_like(image.proposal_boxes.tensor))
        gt_classes = [image.gt_classes for image in proposals]
        log_sample_counts(gt_classes, self.num_classes, f"stage{stage}/roi_head")
        return proposals

    def _run_stage(
        self, features: list[torch.Tensor], proposals: list[Instances], stage: int
    ) -> _Predictions:
        """Return the predictions of a stage from the maps of `box_in_features`."""
        pooled = self.box_pooler(features, [p.proposal_boxes for p in proposals])
        # The losses of the stages are summed; their mean is what reaches the backbone.
        pooled = _ScaleGradient.apply(pooled, 1.0 / self.num_cascade_stages)
        return self.box_predictor[stage](self.box_head[stage](pooled))

    def _create_proposals_from_boxes(
        self, boxes: Sequence[torch.Tensor], image_sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        """Return Instances with `proposal_boxes`: each image's boxes (P, 4), detached and clipped.

        In training boxes without area are dropped. At inference they stay, so that the rows of
        all stages correspond.
        """
        clipped = [Boxes(image_boxes.detach()) for image_boxes in boxes]
        for image_boxes, size_hw in zip(clipped, image_sizes, strict=True):
            image_boxes.clip(size_hw)
        if self.training:
            rows = rows_where([image_boxes.nonempty() for image_boxes in clipped])
            clipped = [image_boxes[r] for image_boxes, r in zip(clipped, rows, strict=True)]
        return [
            Instances(size_hw, proposal_boxes=image_boxes)
            for image_boxes, size_hw in zip(clipped, image_sizes, strict=True)
        ]
