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

_ROOT = os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets"))
for _splits, _register, _metadata in (
    (COCO_SPLITS, register_coco_instances, coco_metadata),
    (LVIS_SPLITS, register_lvis_instances, lvis_v1_metadata),
):
    for _name, (_images, _annotations) in _splits.items():
        _register(_name, {}, os.path.join(_ROOT, _annotations), os.path.join(_ROOT, _images))
        MetadataCatalog.get(_name).defer(_metadata)
