"""Region proposal network: scores and refines anchors.

Source: Faster R-CNN (arXiv 1506.01497). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: B images, C channels, H x W cells, A anchors per cell, R = sum of H * W * A over the levels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, cat
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from detectron2.utils.memory import retry_if_cuda_oom
from torch import nn

from ..anchor_generator import build_anchor_generator
from ..box_regression import Box2BoxTransform, _dense_box_regression_loss
from ..matcher import Matcher
from ..sampling import subsample_labels
from .build import PROPOSAL_GENERATOR_REGISTRY
from .proposal_utils import find_top_rpn_proposals
from .rpn_head import RPN_HEAD_REGISTRY, StandardRPNHead, build_rpn_head

__all__ = ["RPN", "RPN_HEAD_REGISTRY", "StandardRPNHead", "build_rpn_head"]


@PROPOSAL_GENERATOR_REGISTRY.register()
class RPN(nn.Module):
    """Proposes boxes, and learns to from ground-truth boxes.

    Args:
        in_features: names of the features to use, finest first.
        head: see `StandardRPNHead`.
        anchor_generator: see `DefaultAnchorGenerator`.
        anchor_matcher: labels anchors by their IoU with the ground truth.
        box2box_transform: relates anchors and boxes.
        batch_size_per_image: anchors in the loss of an image.
        positive_fraction: largest share of positive ones.
        pre_nms_topk, post_nms_topk: (in training, at inference), see `find_top_rpn_proposals`.
        nms_thresh, min_box_size: see `find_top_rpn_proposals`.
        anchor_boundary_thresh: anchors reaching further out of the image than this many pixels do
            not train; negative to train all.
        loss_weight: factor of every loss, or of each by name.
        box_reg_loss_type, smooth_l1_beta: see `box_regression_loss`.
    """

    @configurable
    def __init__(
        self,
        *,
        in_features: Sequence[str],
        head: nn.Module,
        anchor_generator: nn.Module,
        anchor_matcher: Matcher,
        box2box_transform: Box2BoxTransform,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_topk: tuple[int, int],
        post_nms_topk: tuple[int, int],
        nms_thresh: float = 0.7,
        min_box_size: float = 0.0,
        anchor_boundary_thresh: float = -1.0,
        loss_weight: float | dict[str, float] = 1.0,
        box_reg_loss_type: str = "smooth_l1",
        smooth_l1_beta: float = 0.0,
    ):
        super().__init__()
        self.in_features = in_features
        self.rpn_head = head
        self.anchor_generator = anchor_generator
        self.anchor_matcher = anchor_matcher
        self.box2box_transform = box2box_transform
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        # Indexed by self.training.
        self.pre_nms_topk = {True: pre_nms_topk[0], False: pre_nms_topk[1]}
        self.post_nms_topk = {True: post_nms_topk[0], False: post_nms_topk[1]}
        self.nms_thresh = nms_thresh
        self.min_box_size = float(min_box_size)
        self.anchor_boundary_thresh = anchor_boundary_thresh
        if not isinstance(loss_weight, dict):
            loss_weight = {"loss_rpn_cls": loss_weight, "loss_rpn_loc": loss_weight}
        self.loss_weight = loss_weight
        self.box_reg_loss_type = box_reg_loss_type
        self.smooth_l1_beta = smooth_l1_beta

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Returns constructor arguments from `MODEL.RPN`."""
        rpn = cfg.MODEL.RPN
        shapes = [input_shape[name] for name in rpn.IN_FEATURES]
        return {
            "in_features": rpn.IN_FEATURES,
            "head": build_rpn_head(cfg, shapes),
            "anchor_generator": build_anchor_generator(cfg, shapes),
            "anchor_matcher": Matcher(
                rpn.IOU_THRESHOLDS, rpn.IOU_LABELS, allow_low_quality_matches=True
            ),
            "box2box_transform": Box2BoxTransform(weights=rpn.BBOX_REG_WEIGHTS),
            "batch_size_per_image": rpn.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": rpn.POSITIVE_FRACTION,
            "pre_nms_topk": (rpn.PRE_NMS_TOPK_TRAIN, rpn.PRE_NMS_TOPK_TEST),
            "post_nms_topk": (rpn.POST_NMS_TOPK_TRAIN, rpn.POST_NMS_TOPK_TEST),
            "nms_thresh": rpn.NMS_THRESH,
            "min_box_size": cfg.MODEL.PROPOSAL_GENERATOR.MIN_SIZE,
            "anchor_boundary_thresh": rpn.BOUNDARY_THRESH,
            "loss_weight": {
                "loss_rpn_cls": rpn.LOSS_WEIGHT,
                "loss_rpn_loc": rpn.BBOX_REG_LOSS_WEIGHT * rpn.LOSS_WEIGHT,
            },
            "box_reg_loss_type": rpn.BBOX_REG_LOSS_TYPE,
            "smooth_l1_beta": rpn.SMOOTH_L1_BETA,
        }

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        gt_instances: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """Returns proposals per image and, in training, losses by name.

        Args:
            images: the batch; only the sizes are used.
            features: by name (B, C, H, W).
            gt_instances: per image, with `gt_boxes`; needed in training.

        Returns:
            Instances with `proposal_boxes` and `objectness_logits`, best first, without gradient;
            `loss_rpn_cls` and `loss_rpn_loc`.
        """
        maps = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(maps)
        logits, deltas = self.rpn_head(maps)
        logits = [_anchors_last(x, 1).squeeze(-1) for x in logits]
        deltas = [_anchors_last(x, self.anchor_generator.box_dim) for x in deltas]
        losses = {}
        if self.training:
            assert gt_instances is not None, "the proposal losses need gt_instances"
            gt_labels, gt_boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, gt_labels, deltas, gt_boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Returns, per image, the label and the target of each anchor.

        Args:
            anchors: per level, R in all.
            gt_instances: per image, with `gt_boxes`.

        Returns:
            Labels (R,) int8: 1 and 0 for the sampled positives and negatives, -1 for the rest.
            Boxes (R, 4) float: the matched ground truth, 0 where an image has none.
        """
        all_anchors = Boxes.cat(anchors)
        labelled = [
            self._label_anchors(all_anchors, gt.gt_boxes, gt.image_size) for gt in gt_instances
        ]
        return [labels for labels, _ in labelled], [boxes for _, boxes in labelled]

    def _label_anchors(
        self, anchors: Boxes, gt_boxes: Boxes, image_size_hw: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the labels (R,) and targets (R, 4) of one image."""
        quality = retry_if_cuda_oom(pairwise_iou)(gt_boxes, anchors)
        matches, labels = retry_if_cuda_oom(self.anchor_matcher)(quality)
        matches, labels = matches.to(gt_boxes.device), labels.to(gt_boxes.device)
        if self.anchor_boundary_thresh >= 0:
            labels[~anchors.inside_box(image_size_hw, self.anchor_boundary_thresh)] = -1
        labels = self._subsample_labels(labels)
        if len(gt_boxes) == 0:
            return labels, torch.zeros_like(anchors.tensor)
        return labels, gt_boxes.tensor[matches]

    def _subsample_labels(self, label: torch.Tensor) -> torch.Tensor:
        """Returns labels (R,) in which all but the sampled anchors are -1."""
        positive, negative = subsample_labels(
            label, self.batch_size_per_image, self.positive_fraction, 0
        )
        sampled = torch.full_like(label, -1)
        sampled[positive] = 1
        sampled[negative] = 0
        return sampled

    def losses(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        gt_labels: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        gt_boxes: list[torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Returns `loss_rpn_cls` and `loss_rpn_loc`.

        Both are sums over the sampled anchors divided by the number that was asked for,
        `batch_size_per_image` times the number of images.

        Args:
            anchors: per level, R in all.
            pred_objectness_logits: per level (B, H * W * A).
            gt_labels: per image (R,), see `label_and_sample_anchors`.
            pred_anchor_deltas: per level (B, H * W * A, 4).
            gt_boxes: per image (R, 4).
        """
        labels = torch.stack(gt_labels)  # (B, R)
        self._log_samples(labels)
        sampled = labels >= 0
        objectness_loss = F.binary_cross_entropy_with_logits(
            cat(pred_objectness_logits, dim=1)[sampled],
            labels[sampled].to(torch.float32),
            reduction="sum",
        )
        localization_loss = _dense_box_regression_loss(
            anchors,
            self.box2box_transform,
            pred_anchor_deltas,
            gt_boxes,
            labels == 1,
            box_reg_loss_type=self.box_reg_loss_type,
            smooth_l1_beta=self.smooth_l1_beta,
        )
        sums = {"loss_rpn_cls": objectness_loss, "loss_rpn_loc": localization_loss}
        num_samples = self.batch_size_per_image * len(gt_labels)
        return {
            name: total / num_samples * self.loss_weight.get(name, 1.0)
            for name, total in sums.items()
        }

    @staticmethod
    def _log_samples(labels: torch.Tensor) -> None:
        storage = get_event_storage()
        for name, value in (("pos", 1), ("neg", 0)):
            count = int((labels == value).sum())
            storage.put_scalar(f"rpn/num_{name}_anchors", count / len(labels))

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        image_sizes: list[tuple[int, int]],
    ) -> list[Instances]:
        """Returns the proposals of each image; arguments as in `losses`."""
        return find_top_rpn_proposals(
            self._decode_proposals(anchors, pred_anchor_deltas),
            pred_objectness_logits,
            image_sizes,
            self.nms_thresh,
            self.pre_nms_topk[self.training],
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
        )

    def _decode_proposals(
        self, anchors: list[Boxes], pred_anchor_deltas: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Returns the boxes (B, H * W * A, 4) of each level."""
        return [
            torch.stack([self.box2box_transform.apply_deltas(d, boxes.tensor) for d in deltas])
            for boxes, deltas in zip(anchors, pred_anchor_deltas, strict=True)
        ]


def _anchors_last(prediction: torch.Tensor, dim: int) -> torch.Tensor:
    """Returns (B, H * W * A, dim) from (B, A * dim, H, W), in the order of the anchors."""
    batch, _, height, width = prediction.shape
    split = prediction.view(batch, -1, dim, height, width)  # (B, A, dim, H, W)
    return split.permute(0, 3, 4, 1, 2).flatten(1, 3)
