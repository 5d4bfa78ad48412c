"""The datasets that are registered when the package is imported.

Their paths are relative to the directory that the environment variable DETECTRON2_DATASETS names,
"datasets" if it is not set.
"""

import os

from ..catalog import MetadataCatalog
from .builtin_meta import _get_builtin_metadata
from .coco import register_coco_instances
from .lvis import register_lvis_instances

# name: (image root, annotation file)
_COCO_SPLITS = {
    "coco_2017_train": ("coco/train2017", "coco/annotations/instances_train2017.json"),
    "coco_2017_val": ("coco/val2017", "coco/annotations/instances_val2017.json"),
}
_LVIS_SPLITS = {
    "lvis_v1_train": ("coco/", "lvis/lvis_v1_train.json"),
    "lvis_v1_val": ("coco/", "lvis/lvis_v1_val.json"),
    "lvis_v1_test_dev": ("coco/", "lvis/lvis_v1_image_info_test_dev.json"),
    "lvis_v1_test_challenge": ("coco/", "lvis/lvis_v1_image_info_test_challenge.json"),
}


def register_all_coco(root: str) -> None:
    """Register the boxes and masks of COCO 2017 below a directory."""
    for name, paths in _COCO_SPLITS.items():
        images, annotations = (os.path.join(root, path) for path in paths)
        register_coco_instances(name, {}, annotations, images)
        MetadataCatalog.get(name)._defer(lambda: _get_builtin_metadata("coco"))


def register_all_lvis(root: str) -> None:
    """Register LVIS v1 below a directory."""
    for name, paths in _LVIS_SPLITS.items():
        images, annotations = (os.path.join(root, path) for path in paths)
        register_lvis_instances(name, {}, annotations, images)
        MetadataCatalog.get(name)._defer(lambda: _get_builtin_metadata("lvis_v1"))


_ROOT = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))
register_all_coco(_ROOT)
register_all_lvis(_ROOT)
