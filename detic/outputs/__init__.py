"""Detections to files that other programs read.

Every format is a function of one signature: ``with WRITERS[name](path, categories) as write:
write(image, detections)``. Files appear under their names when they are complete.
"""

from detic.outputs.coco import write_coco_results, write_lvis_results
from detic.outputs.features import write_features
from detic.outputs.json_lines import write_json, write_json_lines
from detic.outputs.paths import FOLDER_FORMATS, check_images, result_paths
from detic.outputs.table import write_csv
from detic.outputs.voc import write_voc
from detic.outputs.writer import Category, ImageRecord, Write, Writer, numbered_categories
from detic.outputs.yolo import write_yolo

WRITERS: dict[str, Writer] = {
    "json": write_json,
    "jsonl": write_json_lines,
    "csv": write_csv,
    "coco": write_coco_results,
    "lvis": write_lvis_results,
    "yolo": write_yolo,
    "voc": write_voc,
    "npz": write_features,
}

__all__ = [
    "FOLDER_FORMATS",
    "WRITERS",
    "Category",
    "ImageRecord",
    "Write",
    "Writer",
    "check_images",
    "numbered_categories",
    "result_paths",
]
