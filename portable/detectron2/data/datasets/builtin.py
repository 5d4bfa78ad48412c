"""The datasets that are registered when the package is imported.

Paths are relative to the directory that the environment variable DETECTRON2_DATASETS names,
"datasets" if it is not set.
"""

import os

from ..catalog import MetadataCatalog
from .builtin_meta import coco_metadata, lvis_v1_metadata
from .coco import register_coco_instances
from .lvis import register_lvis_instances

# name: (image root, annotation file)
COCO_SPLITS = {
    "coco_2017_train": ("coco/train2017", "coco/annotations/instances_train2017.json"),
    "coco_2017_val": ("coco/val2017", "coco/annotations/instances_val2017.json"),
}
LVIS_SPLITS = {
    "lvis_v1_train": ("coco/", "lvis/lvis_v1_train.json"),
    "lvis_v1_val": ("coco/", "lvis/lvis_v1_val.json"),
    "lvis_v1_test_dev": ("coco/", "lvis/lvis_v1_image_info_test_dev.json"),
    "lvis_v1_test_challenge": ("coco/", "lvis/lvis_v1_image_info_test_challenge.json"),
}


def register_all_coco(root: str) -> None:
    """Registers COCO 2017 under a root directory."""
    for name, (image_root, json_file) in COCO_SPLITS.items():
        paths = os.path.join(root, json_file), os.path.join(root, image_root)
        register_coco_instances(name, {}, *paths)
        MetadataCatalog.get(name).defer(coco_metadata)


def register_all_lvis(root: str) -> None:
    """Registers LVIS v1 under a root directory."""
    for name, (image_root, json_file) in LVIS_SPLITS.items():
        paths = os.path.join(root, json_file), os.path.join(root, image_root)
        register_lvis_instances(name, {}, *paths)
        MetadataCatalog.get(name).defer(lvis_v1_metadata)


_ROOT = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))
register_all_coco(_ROOT)
register_all_lvis(_ROOT)
