"""Region proposal network: scores and refines anchors.

Source: Faster R-CNN (arXiv 1506.01497). Boxes are (x1, y1, x2, y2) in pixels of the network input.
Shapes: B images, C channels, H x W cells, A anchors per cell, R = sum of H * W * A over the levels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ShapeSpec, cat
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.registry import Registry
from torch import nn

from .._regression_loss import dense_box_regression_loss
from ..anchor_generator import build_anchor_generator
from ..box_regression import Box2BoxTransform
from ..matcher import Matcher
from ..sampling import subsample_labels
from .build import PROPOSAL_GENERATOR_REGISTRY
from .proposal_utils import find_top_rpn_proposals

# Modules `features -> (objectness logits, anchor deltas)` per level, built as
# `obj(cfg, input_shape)` with the list of the features' `ShapeSpec`.
RPN_HEAD_REGISTRY = Registry("RPN_HEAD")


def build_rpn_head(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """Return the head that `MODEL.RPN.HEAD_NAME` names."""
    return RPN_HEAD_REGISTRY.get(cfg.MODEL.RPN.HEAD_NAME)(cfg, input_shape)


@RPN_HEAD_REGISTRY.register()
class StandardRPNHead(nn.Module):
    """3x3 convolutions, then 1x1 convolutions to objectness and deltas, shared by all levels.

    `conv_dims` are the channels of the 3x3 convolutions; -1 keeps those of the input.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        num_anchors: int,
        box_dim: int = 4,
        conv_dims: Sequence[int] = (-1,),
    ):
        super().__init__()
        convs = nn.Sequential()
        for index, width in enumerate(conv_dims):
            width = in_channels if width == -1 else width
            conv = Conv2d(in_channels, width, 3, padding=1, activation=nn.ReLU())
            convs.add_module(f"conv{index}", conv)
            in_channels = width
        # A single layer has no index in the names of released weights.
        self.conv = convs if len(convs) > 1 else convs[0]
        self.objectness_logits = Conv2d(in_channels, num_anchors, 1)
        self.anchor_deltas = Conv2d(in_channels, num_anchors * box_dim, 1)
        for layer in (*convs, self.objectness_logits, self.anchor_deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict:
        anchor_generator = build_anchor_generator(cfg, input_shape)
        channels = {shape.channels for shape in input_shape}
        num_anchors = set(anchor_generator.num_anchors)
        if len(channels) > 1 or len(num_anchors) > 1:
            raise ValueError(
                "all levels of the RPN need the same number of channels and of anchors per cell, "
                f"got {sorted(channels)} channels and {sorted(num_anchors)} anchors"
            )
        return {
            "in_channels": channels.pop(),
            "num_anchors": num_anchors.pop(),
            "box_dim": anchor_generator.box_dim,
            "conv_dims": cfg.MODEL.RPN.CONV_DIMS,
        }

    def forward(
        self, features: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return, per level, objectness logits (B, A, H, W) and deltas (B, A * box_dim, H, W)."""
        hidden = [self.conv(feature) for feature in features]
        return [self.objectness_logits(h) for h in hidden], [self.anchor_deltas(h) for h in hidden]


@PROPOSAL_GENERATOR_REGISTRY.register()
class RPN(nn.Module):
    """Proposes boxes, and learns to from ground-truth boxes.

    Args:
        in_features: names of the features to use, finest first.
        anchor_matcher: labels anchors by their IoU with the ground truth.
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
        """Return proposals per image and, in training, `loss_rpn_cls` and `loss_rpn_loc`.

        Args:
            images: the batch; only the sizes are used.
            features: by name (B, C, H, W).
            gt_instances: per image, with `gt_boxes`; needed in training.

        Returns:
            Instances with `proposal_boxes` and `objectness_logits`, best first, without gradient.
        """
        maps = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(maps)
        logits, deltas = self.rpn_head(maps)
        logits = [_anchors_last(x, 1).squeeze(-1) for x in logits]
        deltas = [_anchors_last(x, self.anchor_generator.box_dim) for x in deltas]
        losses = {}
        if self.training:
            gt_labels, gt_boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, gt_labels, deltas, gt_boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return, per image, the labels and the targets of the R anchors of all levels.

        Labels (R,) int8 are 1 and 0 for the sampled positives and negatives, -1 for the rest.
        Targets (R, 4) are the matched ground-truth boxes, 0 where an image has none.
        """
        all_anchors = Boxes.cat(anchors)
        labels, targets = [], []
        for image in gt_instances:
            matches, image_labels = self.anchor_matcher(pairwise_iou(image.gt_boxes, all_anchors))
            if self.anchor_boundary_thresh >= 0:
                inside = all_anchors.inside_box(image.image_size, self.anchor_boundary_thresh)
                image_labels[~inside] = -1
            positive, negative = subsample_labels(
                image_labels, self.batch_size_per_image, self.positive_fraction, 0
            )
            sampled = torch.full_like(image_labels, -1)
            sampled[positive], sampled[negative] = 1, 0
            labels.append(sampled)
            has_objects = len(image.gt_boxes) > 0
            zeros = torch.zeros_like(all_anchors.tensor)
            targets.append(image.gt_boxes.tensor[matches] if has_objects else zeros)
        return labels, targets

    def losses(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        gt_labels: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        gt_boxes: list[torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Return `loss_rpn_cls` and `loss_rpn_loc`.

        Both are sums over the sampled anchors divided by the number that was asked for,
        `batch_size_per_image` times the number of images.

        Args:
            pred_objectness_logits: per level (B, H * W * A).
            gt_labels, gt_boxes: see `label_and_sample_anchors`.
            pred_anchor_deltas: per level (B, H * W * A, 4).
        """
        labels = torch.stack(gt_labels)  # (B, R)
        sampled = labels >= 0
        objectness_loss = F.binary_cross_entropy_with_logits(
            cat(pred_objectness_logits, dim=1)[sampled],
            labels[sampled].to(torch.float32),
            reduction="sum",
        )
        localization_loss = dense_box_regression_loss(
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

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        image_sizes: list[tuple[int, int]],
    ) -> list[Instances]:
        """Return the proposals of each image; arguments as in `losses`."""
        boxes = [
            torch.stack([self.box2box_transform.apply_deltas(d, level.tensor) for d in deltas])
            for level, deltas in zip(anchors, pred_anchor_deltas, strict=True)
        ]
        return find_top_rpn_proposals(
            boxes,
            pred_objectness_logits,
            image_sizes,
            self.nms_thresh,
            self.pre_nms_topk[self.training],
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
        )


def _anchors_last(prediction: torch.Tensor, dim: int) -> torch.Tensor:
    """Return (B, H * W * A, dim) from (B, A * dim, H, W), in the order of the anchors."""
    batch, _, height, width = prediction.shape
    split = prediction.view(batch, -1, dim, height, width)  # (B, A, dim, H, W)
    return split.permute(0, 3, 4, 1, 2).flatten(1, 3)
