"""`register_coco_instances` under the name of its first module."""

from .coco import register_coco_instances
