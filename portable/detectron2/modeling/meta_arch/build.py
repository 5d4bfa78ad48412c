"""Models by name."""

import torch
from detectron2.config import CfgNode
from detectron2.utils.registry import Registry
from torch import nn

META_ARCH_REGISTRY = Registry("META_ARCH")  # of models, built as `obj(cfg)`


def build_model(cfg: CfgNode) -> nn.Module:
    """Return the model that `MODEL.META_ARCHITECTURE` names, on `MODEL.DEVICE`.

    No weights are loaded.
    """
    model = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    return model.to(torch.device(cfg.MODEL.DEVICE))
