"""One-stage heads on ResNet's last block (C4), for open-vocabulary COCO.

Shapes: B images, R boxes of the batch, C classes.
"""

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from centernet.rows import rows_where
from detic.config import with_values
from detic.modeling.precision import computing_in
from detic.modeling.regions import RegionFeatures, regions_by_image
from detic.modeling.request import DetectionRequest
from detic.modeling.roi_heads.box_predictor import BoxPredictor
from detic.modeling.roi_heads.box_weights import box_weights
from detic.modeling.roi_heads.class_scores import ScoreParams
from detic.modeling.roi_heads.inference import ClassifiedBoxes, detect_requested
from detic.modeling.roi_heads.mask_targets import has_mask
from detic.modeling.roi_heads.weak_loss import put_statistics
from detic.modeling.roi_heads.weak_proposals import WeakProposalParams, weak_proposals
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import Supervision


@ROI_HEADS_REGISTRY.register()
class CustomRes5ROIHeads(Res5ROIHeads):
    """Heads that classify proposals of an RPN once, from boxes, image labels and captions."""

    @configurable
    def __init__(
        self,
        *,
        weak_proposals: WeakProposalParams,
        scores: ScoreParams,
        with_image_labels: bool,
        **kwargs,
    ):
        """``kwargs``: those of detectron2's Res5ROIHeads."""
        super().__init__(**kwargs)
        self.weak_proposal_params = weak_proposals
        self.score_params = scores
        self.with_image_labels = with_image_labels

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        # The base class builds a predictor of its own kind, whose federated loss is not ours.
        without_loss = with_values(cfg, {"MODEL.ROI_BOX_HEAD.USE_FED_LOSS": False})
        base = super().from_config(without_loss, input_shape)
        width = cfg.MODEL.RESNETS.RES2_OUT_CHANNELS * 8
        return base | {
            "box_predictor": BoxPredictor(
                cfg, ShapeSpec(channels=width), cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS
            ),
            "weak_proposals": WeakProposalParams.from_config(cfg),
            "scores": ScoreParams.from_config(cfg),
            "with_image_labels": cfg.WITH_IMAGE_LABELS,
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
        *,
        supervision: Supervision | None = None,
        request: DetectionRequest | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return ``(proposals, losses)`` in training and ``(detections, {})`` otherwise.

        Arguments as in DeticCascadeROIHeads.forward. Boxes without classes are treated like weak
        annotation: they train the RPN only.
        """
        if not self.training:
            return detect_requested(self, features, proposals, request or DetectionRequest()), {}
        supervision = supervision or Supervision()
        if supervision.kind.has_box_classes:
            proposals = self.label_and_sample_proposals(proposals, targets)
        else:
            proposals = weak_proposals(proposals, self.weak_proposal_params)
        maps, x, deltas = self._predict(features, proposals)
        if not supervision.kind.has_box_classes:
            losses, statistics = self.box_predictor.image_label_losses(
                x, deltas, proposals, supervision
            )
            put_statistics(statistics)
            return proposals, losses
        weights = box_weights(
            proposals, targets or [], None, self.proposal_matcher, self.num_classes
        )
        losses = self.box_predictor.losses(x, deltas, proposals, supervision, box_weights=weights)
        if self.with_image_labels:
            losses["image_loss"] = deltas.new_zeros(())
        if self.mask_on:
            losses |= self._mask_losses(maps, proposals)
        return proposals, losses

    @property
    def classifier(self) -> ZeroShotClassifier:
        return self.box_predictor.cls_score

    def _predict(
        self,
        features: dict[str, Tensor],
        proposals: list[Instances],
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pooled maps (R, F, H, W), box features (R, F) and refinements (R, 4).

        ``dtype``: that maps are computed in by mixed precision; they are float32 then.
        """
        given = [features[name] for name in self.in_features]
        with computing_in(dtype, given[0].device):
            maps = self._shared_roi_transform(given, [p.proposal_boxes for p in proposals])
        maps = maps if dtype is None else maps.float()
        x = maps.mean(dim=(2, 3))
        return maps, x, self.box_predictor.bbox_pred(x)

    def _mask_losses(self, maps: Tensor, proposals: list[Instances]) -> dict[str, Tensor]:
        """Return ``loss_mask`` of the foreground among the proposals pooled into ``maps``."""
        rows = rows_where([has_mask(p, self.num_classes) for p in proposals])
        parts = maps.split([len(p) for p in proposals])
        return self.mask_head(
            torch.cat([part[r] for part, r in zip(parts, rows, strict=True)]),
            [p[r] for p, r in zip(proposals, rows, strict=True)],
        )

    def classify_boxes(
        self, features: dict[str, Tensor], proposals: list[Instances], request: DetectionRequest
    ) -> ClassifiedBoxes:
        """Return what detections are chosen from."""
        _, x, deltas = self._predict(features, proposals, request.precision.heads)
        return ClassifiedBoxes(
            [self.box_predictor.stage_probs(x, request.classes)],
            _scores_of(proposals),
            self.box_predictor.refine_boxes(deltas, proposals),
            x,
            self.classifier,
        )

    def pool_for_masks(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        """Return what the mask head reads of the boxes of each image."""
        return self._shared_roi_transform([features[name] for name in self.in_features], boxes)

    @property
    def stage_classifiers(self) -> list[ZeroShotClassifier]:
        """The one classifier."""
        return [self.classifier]

    def describe_regions(
        self,
        features: dict[str, Tensor],
        proposals: list[Instances],
        dtype: torch.dtype | None = None,
    ) -> list[RegionFeatures]:
        """Return what detection compares with classes, as DeticCascadeROIHeads does."""
        _, x, deltas = self._predict(features, proposals, dtype)
        return regions_by_image(
            self.stage_classifiers,
            [x],
            self.box_predictor.refine_boxes(deltas, proposals),
            _scores_of(proposals),
            [p.image_size for p in proposals],
        )


def _scores_of(proposals: list[Instances]) -> Tensor:
    """Return the scores (R,) of an RPN's proposals, in (0, 1)."""
    return torch.cat([p.objectness_logits for p in proposals]).sigmoid()
