"""Cascade heads that learn from boxes, image labels and captions.

Shapes: B images, R boxes of the batch, N boxes of one image, F feature width, C classes,
D embedding width.
"""

from typing import NamedTuple

import torch
from detectron2.config import configurable
from detectron2.layers import NaiveSyncBatchNorm, ShapeSpec
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads import (
    ROI_HEADS_REGISTRY,
    CascadeROIHeads,
    build_box_head,
)
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from centernet.rows import rows_where
from detic.errors import InputError
from detic.modeling.precision import computing_in
from detic.modeling.regions import RegionFeatures, regions_by_image
from detic.modeling.request import DetectionRequest
from detic.modeling.roi_heads.box_predictor import BoxPredictor
from detic.modeling.roi_heads.box_weights import box_weights, outside_ignore_regions
from detic.modeling.roi_heads.class_scores import ScoreParams
from detic.modeling.roi_heads.inference import ClassifiedBoxes, detect_requested
from detic.modeling.roi_heads.mask_targets import has_mask
from detic.modeling.roi_heads.weak_loss import put_statistics
from detic.modeling.roi_heads.weak_proposals import WeakProposalParams, weak_proposals
from detic.modeling.roi_heads.zero_shot_classifier import ZeroShotClassifier
from detic.modeling.supervision import Supervision


class StageOutput(NamedTuple):
    """What one stage computes before classification."""

    x: Tensor  # (R, F) box features
    deltas: Tensor  # (R, 4) refinements
    proposals: list[Instances]  # the boxes they belong to


@ROI_HEADS_REGISTRY.register()
class DeticCascadeROIHeads(CascadeROIHeads):
    """Heads that refine and classify proposals in stages; one more segments the result."""

    @configurable
    def __init__(
        self,
        *,
        weak_proposals: WeakProposalParams,
        scores: ScoreParams,
        mask_weight: float,
        with_image_labels: bool,
        **kwargs,
    ):
        """``kwargs``: those of detectron2's CascadeROIHeads."""
        super().__init__(**kwargs)
        self.weak_proposal_params = weak_proposals
        self.score_params = scores
        self.mask_weight = mask_weight
        self.with_image_labels = with_image_labels

    @classmethod
    def from_config(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        return super().from_config(cfg, input_shape) | {
            "weak_proposals": WeakProposalParams.from_config(cfg),
            "scores": ScoreParams.from_config(cfg),
            "mask_weight": cfg.MODEL.ROI_HEADS.MASK_WEIGHT,
            "with_image_labels": cfg.WITH_IMAGE_LABELS,
        }

    @classmethod
    def _init_box_head(cls, cfg, input_shape: dict[str, ShapeSpec]) -> dict:
        in_features = cfg.MODEL.ROI_HEADS.IN_FEATURES
        node = cfg.MODEL.ROI_BOX_HEAD
        cascade = cfg.MODEL.ROI_BOX_CASCADE_HEAD
        if cascade.IOUS[0] != cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS[0]:
            raise InputError(
                "MODEL.ROI_BOX_CASCADE_HEAD.IOUS must start with MODEL.ROI_HEADS.IOU_THRESHOLDS "
                f"{cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS}, not {cascade.IOUS[0]}"
            )
        box_head_input = ShapeSpec(
            channels=input_shape[in_features[0]].channels,
            height=node.POOLER_RESOLUTION,
            width=node.POOLER_RESOLUTION,
        )
        box_heads = [build_box_head(cfg, box_head_input) for _ in cascade.IOUS]
        return {
            "box_in_features": in_features,
            "box_pooler": ROIPooler(
                output_size=node.POOLER_RESOLUTION,
                scales=tuple(1 / input_shape[name].stride for name in in_features),
                sampling_ratio=node.POOLER_SAMPLING_RATIO,
                pooler_type=node.POOLER_TYPE,
            ),
            "box_heads": box_heads,
            "box_predictors": [
                BoxPredictor(cfg, head.output_shape, box_weights)
                for head, box_weights in zip(box_heads, cascade.BBOX_REG_WEIGHTS, strict=True)
            ],
            "proposal_matchers": [
                Matcher([iou], [0, 1], allow_low_quality_matches=False) for iou in cascade.IOUS
            ],
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

        Args:
            proposals: B Instances with ``proposal_boxes`` (xyxy pixels) and ``objectness_logits``,
                highest first.
            targets: B Instances with ``gt_boxes``, ``gt_classes`` and, optionally, ``gt_masks``.
            supervision: what the batch is annotated with in training; None: boxes.
            request: what to detect otherwise; None: the model's own classes.
        """
        if not self.training:
            return detect_requested(self, features, proposals, request or DetectionRequest()), {}
        supervision = supervision or Supervision()
        if supervision.kind.has_boxes:
            excluded = supervision.excluded_boxes
            if excluded is not None:
                matcher = self.proposal_matchers[0]
                proposals = outside_ignore_regions(proposals, targets or [], excluded, matcher)
            proposals = self.label_and_sample_proposals(proposals, targets)
        else:
            proposals = weak_proposals(proposals, self.weak_proposal_params)
        return proposals, self._losses(features, proposals, targets, supervision)

    @property
    def classifier(self) -> ZeroShotClassifier:
        """The first stage's classifier; all stages know the same classes."""
        return self.box_predictor[0].cls_score

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None,
        supervision: Supervision,
    ) -> dict[str, Tensor]:
        """Return the losses of each stage, whose keys end in ``_stage{k}``, and ``loss_mask``."""
        if not supervision.kind.has_boxes:
            stages = self._run_stages(features, proposals, None)
            losses = self._image_label_losses(stages, supervision)
            return losses | self._no_mask_losses(features, proposals)
        if not supervision.kind.has_box_classes:
            # Such boxes train the proposal network only.
            losses = self._no_box_losses(features, proposals)
            return losses | self._no_mask_losses(features, proposals)
        stages = self._run_stages(features, proposals, targets)
        with_masks = self.mask_on and any(t.has("gt_masks") for t in (targets or ())[:1])
        in_masks, of_stages = self._foreground(stages, supervision, with_masks)
        losses = {}
        for k, (stage, foreground) in enumerate(zip(stages, of_stages, strict=True)):
            weights = box_weights(
                *(stage.proposals, targets or [], supervision.excluded_boxes),
                *(self.proposal_matchers[k], self.num_classes),
            )
            stage_losses = self.box_predictor[k].losses(*stage, supervision, foreground, weights)
            if self.with_image_labels:
                stage_losses["image_loss"] = stage.deltas.new_zeros(())
            losses |= {f"{name}_stage{k}": loss for name, loss in stage_losses.items()}
        if not with_masks:
            return losses | self._no_mask_losses(features, proposals)
        return losses | self._mask_losses(features, proposals, in_masks)

    def _image_label_losses(
        self, stages: list[StageOutput], supervision: Supervision
    ) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for k, stage in enumerate(stages):
            stage_losses, statistics = self.box_predictor[k].image_label_losses(*stage, supervision)
            with get_event_storage().name_scope(f"stage{k}"):
                put_statistics(statistics)
            losses |= {f"{name}_stage{k}": loss for name, loss in stage_losses.items()}
        return losses

    def _foreground(
        self, stages: list[StageOutput], supervision: Supervision, with_masks: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the rows of foreground boxes, all of which a GPU is asked for at once.

        Returns:
            B tensors of the rows of an image's first proposals that the mask head learns from (none
            without masks), and a tensor for each stage of the rows among its R boxes.
        """
        first = stages[0].proposals if with_masks else []
        classes = [torch.cat([p.gt_classes for p in stage.proposals]) for stage in stages]
        rows = rows_where(
            [has_mask(p, self.num_classes) for p in first]
            + [supervision.is_foreground(of_stage, self.num_classes) for of_stage in classes]
        )
        return rows[: len(first)], rows[len(first) :]

    def _run_stages(
        self,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None,
        dtype: torch.dtype | None = None,
    ) -> list[StageOutput]:
        """Return what each stage makes of the proposals refined by the one before.

        Args:
            targets: ground truth that the proposals of later stages are matched with.
            dtype: that box heads compute in by mixed precision; their features are float32 then.
        """
        maps = [self._shared_map(features[name]) for name in self.box_in_features]
        outputs: list[StageOutput] = []
        for k, predictor in enumerate(self.box_predictor):
            if k > 0:
                boxes = self.box_predictor[k - 1].refine_boxes(outputs[-1].deltas, proposals)
                proposals = _refined_proposals(boxes, proposals, drop_empty=self.training)
                if targets is not None:
                    proposals = self._match_and_label_boxes(proposals, k, targets)
            x = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
            with computing_in(dtype, x.device):
                x = self.box_head[k](x)
            x = x if dtype is None else x.float()
            outputs.append(StageOutput(x, predictor.bbox_pred(x), proposals))
        return outputs

    def _shared_map(self, x: Tensor) -> Tensor:
        """Return a map that all stages pool from, their gradients averaged there.

        It is in single precision, which each pooling would otherwise turn it into.
        """
        x = x.to(torch.promote_types(x.dtype, torch.float32)).view_as(x)
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient / self.num_cascade_stages)
        return x

    def _no_box_losses(
        self, features: dict[str, Tensor], proposals: list[Instances]
    ) -> dict[str, Tensor]:
        """Return losses 0 of each stage, if other processes may have some to average with."""
        if comm.get_world_size() == 1:
            return {}
        zeros = [proposals[0].objectness_logits.new_zeros(())] * self.num_cascade_stages
        if _exchanges_statistics(self.box_head):  # the others wait for this process
            stages = self._run_stages(features, [p[:0] for p in proposals], None)
            zeros = [stage.deltas.sum() for stage in stages]
        names = ("loss_cls", "loss_box_reg", *(["image_loss"] if self.with_image_labels else []))
        return {f"{name}_stage{k}": zero for k, zero in enumerate(zeros) for name in names}

    def _mask_losses(
        self, features: dict[str, Tensor], proposals: list[Instances], rows: list[Tensor]
    ) -> dict[str, Tensor]:
        """Return ``loss_mask`` of the ``rows`` of each image's proposals."""
        foreground = [p[r] for p, r in zip(proposals, rows, strict=True)]
        pooled = self.pool_for_masks(features, [p.proposal_boxes for p in foreground])
        losses = self.mask_head(pooled, foreground)
        return {name: loss * self.mask_weight for name, loss in losses.items()}

    def _no_mask_losses(
        self, features: dict[str, Tensor], proposals: list[Instances]
    ) -> dict[str, Tensor]:
        """Return ``loss_mask`` 0 of a batch without masks, if the heads know masks."""
        if not self.mask_on:
            return {}
        if comm.get_world_size() > 1 and _exchanges_statistics(self.mask_head):
            # Other processes may have masks, and wait for this one.
            no_rows = proposals[0].objectness_logits.new_zeros(0, dtype=torch.int64)
            return self._mask_losses(features, proposals, [no_rows] * len(proposals))
        return {"loss_mask": proposals[0].objectness_logits.new_zeros(())}

    def classify_boxes(
        self, features: dict[str, Tensor], proposals: list[Instances], request: DetectionRequest
    ) -> ClassifiedBoxes:
        """Return what detections are chosen from."""
        stages = self._run_stages(features, proposals, None, request.precision.heads)
        last, predictor = stages[-1], self.box_predictor[-1]
        return ClassifiedBoxes(
            [
                p.stage_probs(stage.x, request.classes)
                for p, stage in zip(self.box_predictor, stages, strict=True)
            ],
            _scores_of(proposals),
            predictor.refine_boxes(last.deltas, last.proposals),
            last.x,
            predictor.cls_score,
        )

    def pool_for_masks(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        """Return what the mask head reads of the boxes of each image."""
        return self.mask_pooler([features[name] for name in self.mask_in_features], boxes)

    @property
    def stage_classifiers(self) -> list[ZeroShotClassifier]:
        """The classifiers whose probabilities are averaged."""
        return [predictor.cls_score for predictor in self.box_predictor]

    def describe_regions(
        self,
        features: dict[str, Tensor],
        proposals: list[Instances],
        dtype: torch.dtype | None = None,
    ) -> list[RegionFeatures]:
        """Return what detection compares with classes, by image; boxes in pixels of the input.

        Args:
            proposals: as :meth:`forward` takes them.
            dtype: that box heads compute in by mixed precision.
        """
        stages = self._run_stages(features, proposals, None, dtype)
        last, predictor = stages[-1], self.box_predictor[-1]
        return regions_by_image(
            self.stage_classifiers,
            [stage.x for stage in stages],
            predictor.refine_boxes(last.deltas, last.proposals),
            _scores_of(proposals),
            [p.image_size for p in proposals],
        )


def _scores_of(proposals: list[Instances]) -> Tensor:
    """Return the scores (R,) of proposals, in (0, 1)."""
    return torch.cat([p.scores if p.has("scores") else p.objectness_logits for p in proposals])


def _exchanges_statistics(head: nn.Module) -> bool:
    """Return whether a head has norms that take part in exchanges between the processes."""
    return any(isinstance(m, NaiveSyncBatchNorm | nn.SyncBatchNorm) for m in head.modules())


def _refined_proposals(
    boxes_xyxy: list[Tensor], previous: list[Instances], drop_empty: bool
) -> list[Instances]:
    """Return ``boxes_xyxy`` (N, 4) as clipped proposals with the objectness of ``previous``."""
    refined = []
    for tensor, p in zip(boxes_xyxy, previous, strict=True):
        boxes = Boxes(tensor.detach())
        boxes.clip(p.image_size)
        refined.append(
            Instances(p.image_size, proposal_boxes=boxes, objectness_logits=p.objectness_logits)
        )
    if not drop_empty:
        return refined
    rows = rows_where([p.proposal_boxes.nonempty() for p in refined])
    # Seldom is one empty.
    return [p if len(r) == len(p) else p[r] for p, r in zip(refined, rows, strict=True)]
