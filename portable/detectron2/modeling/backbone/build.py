"""Backbones by name."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.utils.registry import Registry

from .backbone import Backbone

BACKBONE_REGISTRY = Registry("BACKBONE")  # of callables `(cfg, input_shape: ShapeSpec) -> Backbone`


def build_backbone(cfg: CfgNode, input_shape: ShapeSpec | None = None) -> Backbone:
    """Return the backbone that `MODEL.BACKBONE.NAME` names.

    `input_shape` has the channels of the image, by default as many as `MODEL.PIXEL_MEAN`.
    """
    if input_shape is None:
        input_shape = ShapeSpec(channels=len(cfg.MODEL.PIXEL_MEAN))
    return BACKBONE_REGISTRY.get(cfg.MODEL.BACKBONE.NAME)(cfg, input_shape)
