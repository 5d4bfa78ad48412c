"""Heads that refine boxes in several stages, each trained for a higher IoU.

Source: Cascade R-CNN (arXiv 1712.00726). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: R regions of the whole batch, P proposals of an image, C classes (the background is index C).
"""

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from torch import nn

from ..box_regression import Box2BoxTransform
from ..matcher import Matcher
from ..poolers import ROIPooler
from .base import ROI_HEADS_REGISTRY, _log_sample_counts, classes_of_matches
from .box_head import build_box_head
from .fast_rcnn import FastRCNNOutputLayers, Predictions, fast_rcnn_inference
from .standard import StandardROIHeads, build_pooler, pooled_shape


class _ScaleGradient(torch.autograd.Function):
    """The identity, with the gradient multiplied by a number."""

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
        box_in_features: names of the features for boxes, finest first.
        box_pooler: pools them, for all stages.
        box_heads: per stage, see `StandardROIHeads`.
        box_predictors: per stage, see `StandardROIHeads`.
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
        if not len(box_heads) == len(box_predictors) == len(proposal_matchers):
            raise ValueError(
                f"a cascade needs as many heads as predictors and matchers, got {len(box_heads)}, "
                f"{len(box_predictors)} and {len(proposal_matchers)}"
            )
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
        """Returns constructor arguments; the first of `proposal_matchers` is the matcher."""
        arguments = super().from_config(cfg, input_shape)
        del arguments["proposal_matcher"]
        return arguments

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Returns the constructor arguments of the box branch."""
        check_cascade_config(cfg)
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        pooler = build_pooler(cfg.MODEL.ROI_BOX_HEAD, in_features, input_shape)
        shape = pooled_shape(pooler, in_features, input_shape)
        cascade = cfg.MODEL.ROI_BOX_CASCADE_HEAD
        box_heads = [build_box_head(cfg, shape) for _ in cascade.IOUS]
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

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """Returns instances and losses; see `ROIHeads.forward`."""
        if not self.training:
            detections = self._forward_box(features, proposals)
            return self.forward_with_given_boxes(features, detections), {}
        assert targets is not None, "the losses of the heads need targets"
        proposals = self.label_and_sample_proposals(proposals, targets)
        losses = self._forward_box(features, proposals, targets)
        losses.update(self._forward_mask(features, proposals))
        return proposals, losses

    def _forward_box(
        self,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """Returns the losses of all stages in training, else the detections.

        Args:
            features: by name.
            proposals: per image; in training as `label_and_sample_proposals` returns them.
            targets: per image, with `gt_boxes` and `gt_classes`; needed in training.
        """
        maps = [features[name] for name in self.box_in_features]
        image_sizes = [p.image_size for p in proposals]
        outputs, pred_boxes = [], ()
        for stage, predictor in enumerate(self.box_predictor):
            if stage > 0:
                proposals = self._create_proposals_from_boxes(pred_boxes, image_sizes)
                if self.training:
                    proposals = self._match_and_label_boxes(proposals, stage, targets)
            predictions = self._run_stage(maps, proposals, stage)
            pred_boxes = predictor.predict_boxes(predictions, proposals)
            outputs.append((predictions, proposals))
        if self.training:
            return self._stage_losses(outputs)
        scores = self._mean_scores(outputs)
        last = self.box_predictor[-1]
        detections, _ = fast_rcnn_inference(
            pred_boxes,
            scores,
            image_sizes,
            last.test_score_thresh,
            last.test_nms_thresh,
            last.test_topk_per_image,
        )
        return detections

    def _stage_losses(
        self, outputs: list[tuple[Predictions, list[Instances]]]
    ) -> dict[str, torch.Tensor]:
        """Returns each stage's losses, with `_stage{k}` appended to their names."""
        storage = get_event_storage()
        losses = {}
        for stage, (predictor, output) in enumerate(zip(self.box_predictor, outputs, strict=True)):
            with storage.name_scope(f"stage{stage}"):
                stage_losses = predictor.losses(*output)
            losses.update({f"{name}_stage{stage}": loss for name, loss in stage_losses.items()})
        return losses

    def _mean_scores(
        self, outputs: list[tuple[Predictions, list[Instances]]]
    ) -> list[torch.Tensor]:
        """Returns, per image, the class probabilities (P, C + 1) averaged over the stages."""
        per_stage = [
            predictor.predict_probs(*output)
            for predictor, output in zip(self.box_predictor, outputs, strict=True)
        ]
        return [torch.stack(scores).mean(dim=0) for scores in zip(*per_stage, strict=True)]

    @torch.no_grad()
    def _match_and_label_boxes(
        self, proposals: list[Instances], stage: int, targets: list[Instances]
    ) -> list[Instances]:
        """Returns the proposals with `gt_classes` and `gt_boxes`; all of them, none is sampled.

        Args:
            proposals: per image, with `proposal_boxes`.
            stage: index of the stage they enter.
            targets: per image, with `gt_boxes` and `gt_classes`.
        """
        for image, gt in zip(proposals, targets, strict=True):
            quality = pairwise_iou(gt.gt_boxes, image.proposal_boxes)
            matches, labels = self.proposal_matchers[stage](quality)
            image.gt_classes = classes_of_matches(matches, labels, gt.gt_classes, self.num_classes)
            if len(gt) > 0:
                image.gt_boxes = gt.gt_boxes[matches]
            else:
                image.gt_boxes = Boxes(torch.zeros_like(image.proposal_boxes.tensor))
        gt_classes = [image.gt_classes for image in proposals]
        _log_sample_counts(gt_classes, self.num_classes, f"stage{stage}/roi_head")
        return proposals

    def _run_stage(
        self, features: list[torch.Tensor], proposals: list[Instances], stage: int
    ) -> Predictions:
        """Returns the predictions of a stage for all proposals.

        Args:
            features: in the order of `box_in_features`.
            proposals: per image, with `proposal_boxes`; R in all.
            stage: index of the stage.
        """
        pooled = self.box_pooler(features, [p.proposal_boxes for p in proposals])
        # The losses of the stages are summed; their mean is what reaches the backbone.
        pooled = _ScaleGradient.apply(pooled, 1.0 / self.num_cascade_stages)
        return self.box_predictor[stage](self.box_head[stage](pooled))

    def _create_proposals_from_boxes(
        self, boxes: Sequence[torch.Tensor], image_sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        """Returns Instances with `proposal_boxes`: the boxes, detached and clipped.

        In training boxes without area are dropped. At inference they stay, so that the rows of
        all stages correspond.

        Args:
            boxes: per image (P, 4).
            image_sizes: (height, width) of each image without padding.
        """
        proposals = []
        for image_boxes, size_hw in zip(boxes, image_sizes, strict=True):
            clipped = Boxes(image_boxes.detach())
            clipped.clip(size_hw)
            if self.training:
                clipped = clipped[clipped.nonempty()]
            proposals.append(Instances(size_hw, proposal_boxes=clipped))
        return proposals


def check_cascade_config(cfg: CfgNode) -> None:
    """Raises ValueError where the keys of the cascade do not fit together."""
    if not cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
        raise ValueError("cascade heads need MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG True")
    ious = cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS
    first = cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS[0]
    if ious[0] != first:
        raise ValueError(
            f"the first of MODEL.ROI_BOX_CASCADE_HEAD.IOUS {tuple(ious)} must equal "
            f"MODEL.ROI_HEADS.IOU_THRESHOLDS[0], which is {first}"
        )
    num_weights = len(cfg.MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS)
    if num_weights != len(ious):
        raise ValueError(
            f"MODEL.ROI_BOX_CASCADE_HEAD has {len(ious)} IOUS but {num_weights} BBOX_REG_WEIGHTS"
        )
