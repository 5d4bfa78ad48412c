"""Backbones by name."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.utils.registry import Registry

from .backbone import Backbone

BACKBONE_REGISTRY = Registry("BACKBONE")
BACKBONE_REGISTRY.__doc__ = """
Callables `(cfg, input_shape: ShapeSpec) -> Backbone`.
"""


def build_backbone(cfg: CfgNode, input_shape: ShapeSpec | None = None) -> Backbone:
    """Returns the backbone that `MODEL.BACKBONE.NAME` names.

    Args:
        cfg: the configuration.
        input_shape: channels of the image; by default as many as `MODEL.PIXEL_MEAN` has.

    Raises:
        TypeError: the registered callable made something else than a `Backbone`.
    """
    if input_shape is None:
        input_shape = ShapeSpec(channels=len(cfg.MODEL.PIXEL_MEAN))
    name = cfg.MODEL.BACKBONE.NAME
    backbone = BACKBONE_REGISTRY.get(name)(cfg, input_shape)
    if not isinstance(backbone, Backbone):
        raise TypeError(f"backbone '{name}' made a {type(backbone).__name__}, not a Backbone")
    return backbone
