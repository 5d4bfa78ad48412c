"""Proposal generators by name."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.utils.registry import Registry
from torch import nn

# Modules `(images, features, gt_instances) -> (proposals, losses)`, built as
# `obj(cfg, input_shape)` with the backbone's `output_shape()`.
PROPOSAL_GENERATOR_REGISTRY = Registry("PROPOSAL_GENERATOR")


def build_proposal_generator(cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> nn.Module:
    """Return the proposal generator that `MODEL.PROPOSAL_GENERATOR.NAME` names."""
    return PROPOSAL_GENERATOR_REGISTRY.get(cfg.MODEL.PROPOSAL_GENERATOR.NAME)(cfg, input_shape)
