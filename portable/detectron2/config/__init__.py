"""Configuration: a tree of defaults that YAML files and command lines override."""

from detectron2.config.config import CfgNode, get_cfg
from detectron2.config.configurable import configurable
