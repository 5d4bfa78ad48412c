"""Datasets, their loading and training batches.

Importing registers the datasets' names with detectron2; no file is opened.
"""

from detic.data import registration
from detic.data.build import build_test_loader, build_train_loader
from detic.data.image_labels import (
    register_image_csv,
    register_image_folder,
    register_image_shards,
    register_image_tars,
)
from detic.data.loader import TrainLoader, merge_loader_states

__all__ = [
    "TrainLoader",
    "build_test_loader",
    "build_train_loader",
    "merge_loader_states",
    "register_image_csv",
    "register_image_folder",
    "register_image_shards",
    "register_image_tars",
    "registration",
]
