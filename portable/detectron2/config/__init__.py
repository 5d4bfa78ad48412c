"""Configuration: a tree of defaults that YAML files and command lines override, or Python files."""

from detectron2.config.config import (
    CfgNode,
    configurable,
    get_cfg,
    global_cfg,
    set_global_cfg,
)
from detectron2.config.instantiate import instantiate
from detectron2.config.lazy import LazyCall, LazyConfig
