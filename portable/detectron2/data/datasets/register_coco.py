"""`register_coco_instances` under the name of its first module."""
