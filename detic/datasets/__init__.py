"""What there is to train and test on: the table of datasets, and data of one's own.

Importing registers the datasets' names with detectron2; no file is opened.
"""

from detic.datasets import registration
from detic.datasets.image_labels import (
    register_image_csv,
    register_image_folder,
    register_image_shards,
    register_image_tars,
)

__all__ = [
    "register_image_csv",
    "register_image_folder",
    "register_image_shards",
    "register_image_tars",
    "registration",
]
