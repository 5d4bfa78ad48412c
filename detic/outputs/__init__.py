"""Detections to files that other programs read.

Every format is a function of one signature: ``with WRITERS[name](path, categories) as write:
write(image, detections)``. Files appear under their names when they are complete.
"""

from detic.outputs.formats import (
    FOLDER_FORMATS,
    FORMATS_WITH_MASKS,
    WRITERS,
    check_images,
    result_paths,
)
from detic.outputs.writer import Category, ImageRecord, Write, Writer, numbered_categories

__all__ = [
    "FOLDER_FORMATS",
    "FORMATS_WITH_MASKS",
    "WRITERS",
    "Category",
    "ImageRecord",
    "Write",
    "Writer",
    "check_images",
    "numbered_categories",
    "result_paths",
]
