"""The detector's parts. Importing registers them with detectron2."""

from detic.modeling import meta_arch
from detic.modeling.backbone import swin, timm
from detic.modeling.build import build_detector
from detic.modeling.detr import meta_arch as deformable_detr
from detic.modeling.roi_heads import cascade, res5

__all__ = [
    "build_detector",
    "cascade",
    "deformable_detr",
    "meta_arch",
    "res5",
    "swin",
    "timm",
]
