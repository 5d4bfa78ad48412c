"""Registered datasets, and reading a file in the style of LVIS."""

import json
import zlib
from pathlib import Path

import numpy as np

from tests.parity.arrays import Arrays
from tests.parity.ours import DatasetCatalog, MetadataCatalog, load_lvis_style_json

# Parts of the names of Detic's datasets; Detectron2 registers others.
NAME_PARTS = ("norare", "+coco", "_22k", "-22k", "imagenet", "cc3m", "objects365", "oid")
NAME_PARTS += ("zeroshot", "caption")

LVIS_STYLE = {
    "categories": [
        {"id": i, "name": f"n{i}", "synset": "s", "frequency": "f", "synonyms": [], "def": ""}
        | {"image_count": 1, "instance_count": 1}
        for i in (5, 1, 3, 9)
    ],
    "images": [
        {"id": 7, "height": 10, "width": 20, "file_name": "COCO_train2014_000000000007.jpg"}
        | {"neg_category_ids": [9], "not_exhaustive_category_ids": [5], "pos_category_ids": [3, 1]},
        {"id": 2, "height": 11, "width": 21}
        | {"coco_url": "http://images.cocodataset.org/train2017/000000000002.jpg"},
        {"id": 4, "height": 12, "width": 22, "file_name": "a/b.jpg"}
        | {"captions": ["hello"], "pos_category_ids": [9]},
        {"id": 5, "height": 12, "width": 22, "tar_index": 33, "pos_category_ids": [5]},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 9, "bbox": [1, 2, 3, 4], "area": 1}
        | {"segmentation": [[1, 2, 4, 2, 4, 6]]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 1},
        {"id": 3, "image_id": 2, "category_id": 3, "bbox": [0, 0, 5, 5], "area": 1, "iscrowd": 1},
    ],
}


def registered(folder: Path) -> Arrays:
    """Return name, places, evaluator, number and checksum of the classes of each dataset."""
    rows = []
    for name in sorted(DatasetCatalog.list()):
        if not any(part in name for part in NAME_PARTS):
            continue
        metadata = MetadataCatalog.get(name)
        classes = metadata.get("thing_classes", [])
        checksum = zlib.crc32("\n".join(classes).encode())
        places = [metadata.json_file, metadata.image_root, metadata.evaluator_type]
        rows.append("|".join(map(str, [name, *places, len(classes), checksum])))
    return {"datasets/registered": np.array(rows)}


def lvis_style_file(folder: Path) -> Arrays:
    """Return the records of a file."""
    path = folder / "lvis.json"
    path.write_text(json.dumps(LVIS_STYLE))
    records = load_lvis_style_json(str(path), "ROOT", "probe_lvis")
    for record in records:
        for annotation in record["annotations"]:
            annotation["bbox_mode"] = int(annotation["bbox_mode"])
    return {"lvis/records": np.array(json.dumps(records, sort_keys=True))}
