"""Correspondences between datasets, kept under ``datasets/vocabularies``."""

import gzip
import json
from functools import cache
from typing import Any

from detic.vocabulary.builtin import FOLDER


def coco_to_lvis() -> dict[int, int]:
    """Return the LVIS id of each of the 80 COCO ids."""
    rows = _read("coco_to_lvis_categories.json")
    return {row["coco_id"]: row["lvis_id"] for row in rows}


def imagenet_to_lvis() -> dict[str, int]:
    """Return the LVIS id of the 997 WordNet ids (``n02682922``) that are LVIS classes."""
    return _read("imagenet_lvis_wnid_to_category.json")


def imagenet_class_ids() -> dict[str, int]:
    """Return the id, 1 to 22047, of all 21841 WordNet ids in the list LVIS + ImageNet-21K.

    The 997 classes that LVIS has keep its ids. The others follow in order of their WordNet id. An
    id does not depend on which of the classes somebody has images of.
    """
    with_lvis = imagenet_to_lvis()
    first = NUM_LVIS_CLASSES + 1
    others = {wnid: first + rank for rank, wnid in enumerate(_read("imagenet21k_wnids.json.gz"))}
    return with_lvis | others


def objects365_names() -> dict[int, tuple[str, str]]:
    """Return (released name, corrected name) of the 13 misspelt Objects365 v2 ids."""
    rows = _read("objects365_name_fixes.json")
    return {row["id"]: (row["released_name"], row["corrected_name"]) for row in rows}


NUM_LVIS_CLASSES = 1203


@cache
def _read(name: str) -> Any:
    contents = (FOLDER / name).read_bytes()
    return json.loads(gzip.decompress(contents) if name.endswith(".gz") else contents)
