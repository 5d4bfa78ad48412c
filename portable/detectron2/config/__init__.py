"""Configuration: a tree of defaults that YAML files and command lines override."""

from detectron2.config.config import CfgNode, get_cfg, global_cfg, set_global_cfg
from detectron2.config.configurable import configurable

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]
