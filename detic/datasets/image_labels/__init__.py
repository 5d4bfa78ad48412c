"""Images labelled as wholes, as they lie on disk: folders, tar files, shards, tables.

Each loader returns records with ``pos_category_ids`` and no annotations.
"""

from detic.datasets.image_labels.registration import (
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
]
