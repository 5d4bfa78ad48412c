"""Heads for semantic segmentation by name; there are none here, users register theirs."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.utils.registry import Registry
from torch import nn

# Modules built as `obj(cfg, input_shape)` with the backbone's `output_shape()`.
SEM_SEG_HEADS_REGISTRY = Registry("SEM_SEG_HEADS")


def build_sem_seg_head(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """Return the head that `MODEL.SEM_SEG_HEAD.NAME` names."""
    return SEM_SEG_HEADS_REGISTRY.get(cfg.MODEL.SEM_SEG_HEAD.NAME)(cfg, input_shape)
