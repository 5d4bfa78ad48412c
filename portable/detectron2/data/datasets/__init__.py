"""Loaders of COCO and LVIS annotation files, and the datasets that are known by name."""

from . import builtin  # registers them
from .coco import convert_to_coco_json, load_coco_json, register_coco_instances
from .lvis import get_lvis_instances_meta, load_lvis_json, register_lvis_instances
