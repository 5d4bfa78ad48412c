"""Mask heads: pooled region features to one mask per region.

Source: Mask R-CNN (arXiv 1703.06870). Shapes: N regions, C channels, K classes (1 if class-agnostic),
M side of the predicted mask.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, ConvTranspose2d, ShapeSpec, cat
from detectron2.structures import Instances, PolygonMasks
from detectron2.structures._chosen_polygons import crop_and_resize_all
from detectron2.utils.registry import Registry
from fvcore.nn.weight_init import c2_msra_fill
from torch import nn

from ._convolution import conv3x3_norm_relu

# Modules `(pooled features, instances) -> losses in training, instances otherwise`, built as
# `obj(cfg, input_shape)`.
ROI_MASK_HEAD_REGISTRY = Registry("ROI_MASK_HEAD")


def build_mask_head(cfg: CfgNode, input_shape: ShapeSpec) -> nn.Module:
    """Return the mask head that `MODEL.ROI_MASK_HEAD.NAME` names."""
    return ROI_MASK_HEAD_REGISTRY.get(cfg.MODEL.ROI_MASK_HEAD.NAME)(cfg, input_shape)


def mask_rcnn_loss(pred_mask_logits: torch.Tensor, instances: list[Instances]) -> torch.Tensor:
    """Return the mean binary cross entropy of the masks of foreground regions.

    Each region learns the mask of its ground-truth class only, cropped to its box.

    Args:
        pred_mask_logits: (N, K, M, M), regions of all images in order.
        instances: per image, with `proposal_boxes`, `gt_classes` and `gt_masks`.
    """
    regions = [image for image in instances if len(image) > 0]
    if not regions:
        return pred_mask_logits.sum() * 0
    gt_masks = _mask_targets(regions, side=pred_mask_logits.shape[-1])
    gt_masks = gt_masks.to(device=pred_mask_logits.device)  # (N, M, M)
    logits = _of_class(pred_mask_logits, [image.gt_classes for image in instances])[:, 0]
    return F.binary_cross_entropy_with_logits(logits, gt_masks.to(logits.dtype))


def _mask_targets(instances: list[Instances], side: int) -> torch.Tensor:
    """Return the masks of the objects inside the proposals of all images, (N, side, side) bool."""
    masks = [image.gt_masks for image in instances]
    boxes = [image.proposal_boxes.tensor for image in instances]
    if all(isinstance(m, PolygonMasks) for m in masks):
        return crop_and_resize_all(masks, boxes, side)
    return cat([m.crop_and_resize(b, side) for m, b in zip(masks, boxes, strict=True)])


def mask_rcnn_inference(pred_mask_logits: torch.Tensor, pred_instances: list[Instances]) -> None:
    """Add `pred_masks` (N_image, 1, M, M) to instances with `pred_classes`.

    They are the mask probabilities of the predicted class, from logits (N, K, M, M) of the regions
    of all images in order; each mask fills its box.
    """
    probs = _of_class(pred_mask_logits, [image.pred_classes for image in pred_instances]).sigmoid()
    counts = [len(image) for image in pred_instances]
    for image, image_probs in zip(pred_instances, probs.split(counts), strict=True):
        image.pred_masks = image_probs


def _of_class(mask_logits: torch.Tensor, classes: list[torch.Tensor]) -> torch.Tensor:
    """Return (N, 1, M, M): the masks of the given classes, or the class-agnostic ones."""
    if mask_logits.shape[1] == 1:
        return mask_logits
    rows = torch.arange(len(mask_logits), device=mask_logits.device)
    return mask_logits[rows, cat(classes)][:, None]


class BaseMaskRCNNHead(nn.Module):
    """Base class of mask heads: a subclass defines `layers`, from features to logits.

    Args:
        loss_weight: factor of the loss.
    """

    @configurable
    def __init__(self, *, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        return {}

    def forward(
        self, x: torch.Tensor, instances: list[Instances]
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """Return `loss_mask` in training, else the instances with `pred_masks`.

        Args:
            x: (N, C, H, W) pooled features of all instances.
        """
        logits = self.layers(x)
        if self.training:
            return {"loss_mask": mask_rcnn_loss(logits, instances) * self.loss_weight}
        mask_rcnn_inference(logits, instances)
        return instances

    def layers(self, x: torch.Tensor) -> torch.Tensor:
        """Return mask logits (N, K, M, M) of pooled features (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} defines no layers")


@ROI_MASK_HEAD_REGISTRY.register()
class MaskRCNNConvUpsampleHead(BaseMaskRCNNHead, nn.Sequential):
    """3x3 convolutions, upsampling by a transposed one, and a 1x1 convolution to the masks.

    Args:
        input_shape: channels of the pooled features.
        num_classes: K.
        conv_dims: output channels of each convolution; the last is the transposed one.
        conv_norm: see `get_norm`; convolutions have a bias only without a norm.
        **kwargs: arguments of `BaseMaskRCNNHead`.
    """

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        num_classes: int,
        conv_dims: Sequence[int],
        conv_norm: str = "",
        **kwargs,
    ):
        super().__init__(**kwargs)
        channels = input_shape.channels
        for index, width in enumerate(conv_dims[:-1], start=1):
            self.add_module(f"mask_fcn{index}", conv3x3_norm_relu(channels, width, conv_norm))
            channels = width
        self.add_module("deconv", ConvTranspose2d(channels, conv_dims[-1], 2, stride=2))
        self.add_module("deconv_relu", nn.ReLU())
        self.add_module("predictor", Conv2d(conv_dims[-1], num_classes, 1))
        c2_msra_fill(self.deconv)
        nn.init.normal_(self.predictor.weight, std=0.001)
        nn.init.zeros_(self.predictor.bias)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        head = cfg.MODEL.ROI_MASK_HEAD
        return {
            **super().from_config(cfg, input_shape),
            "input_shape": input_shape,
            "num_classes": 1 if head.CLS_AGNOSTIC_MASK else cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "conv_dims": [head.CONV_DIM] * (head.NUM_CONV + 1),
            "conv_norm": head.NORM,
        }

    def layers(self, x: torch.Tensor) -> torch.Tensor:
        """Return mask logits (N, K, 2 * H, 2 * W) of pooled features (N, C, H, W)."""
        for layer in self:
            x = layer(x)
        return x
