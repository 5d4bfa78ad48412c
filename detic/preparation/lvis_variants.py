"""LVIS: withholding rare classes, counting classes, adding COCO's boxes.

Source: Gupta et al., LVIS (arXiv 1908.03195); Gu et al., ViLD (arXiv 2104.13921) for the split
into base classes (frequent and common) and novel ones (rare).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from hotcoco import mask as rle

from detic.errors import InputError
from detic.progress import track

FILE_NAME_LENGTH = len("000000391895.jpg")
SAME_OBJECT_IOU = 0.7


def without_rare(document: dict) -> dict:
    """Return an LVIS file without the annotations of classes with frequency r.

    Everything else stays, so that the file's users see the same images and categories: images
    that lose all their boxes, and the counts of the rare classes.
    """
    rare = {c["id"] for c in document["categories"] if _frequency(c) == "r"}
    bar = track(document["annotations"], description="without rare classes", unit="annotation")
    kept = [a for a in bar if a["category_id"] not in rare]
    return {**document, "annotations": kept}


def _frequency(category: dict) -> str:
    if "frequency" not in category:
        raise InputError(
            f"category {category['id']} has no 'frequency' (r, c or f); expected an LVIS file"
        )
    return category["frequency"]


def count_classes(document: dict) -> list[dict]:
    """Return the categories with ``image_count`` and ``instance_count`` counted anew.

    ``image_count`` is the number of images with an annotation of the class, ``instance_count``
    that of annotations, crowds included. Other fields stay.
    """
    images: dict[int, set[int]] = defaultdict(set)
    instances: dict[int, int] = defaultdict(int)
    for annotation in track(document["annotations"], description="counts", unit="annotation"):
        images[annotation["category_id"]].add(annotation["image_id"])
        instances[annotation["category_id"]] += 1
    return [
        {**c, "image_count": len(images[c["id"]]), "instance_count": instances[c["id"]]}
        for c in document["categories"]
    ]


def with_frequencies(
    categories: Sequence[dict], rare_below: int = 10, common_below: float = 100
) -> list[dict]:
    """Return counted categories with ``frequency`` set from ``image_count``.

    LVIS itself calls classes with up to 10 images rare and those with up to 100 common. The
    released class counts were made with fewer than 10 and fewer than 100. The defaults repeat that.

    Args:
        categories: with ``image_count``.
        rare_below: r for fewer images than this.
        common_below: c for fewer images than this, otherwise f.
    """

    def letter(image_count: int) -> str:
        if image_count < rare_below:
            return "r"
        return "c" if image_count < common_below else "f"

    return [{**c, "frequency": letter(c["image_count"])} for c in categories]


def merge_coco(lvis: dict, coco: dict, lvis_id_of: Mapping[int, int]) -> dict:
    """Return an LVIS file with the annotations that COCO has in addition.

    A COCO annotation is added to an LVIS image unless its class is verified absent there. It is
    left out, too, if an LVIS annotation of the same class covers the same object (IoU of 0.7 or
    more). Annotations are numbered anew; images and categories stay as in LVIS, counts included.

    Args:
        lvis: content of an LVIS file.
        coco: content of a COCO file; images are matched by the digits of their file names.
        lvis_id_of: LVIS category id by COCO category id.

    Raises:
        InputError: an image has no file name.
    """
    of_lvis = _by_image(lvis["annotations"])
    of_coco = _by_image(coco["annotations"])
    coco_boxes = {_file_name(i): of_coco.get(i["id"], []) for i in coco["images"]}
    merged = []
    for image in track(lvis["images"], description="boxes of COCO", unit="image"):
        present = of_lvis.get(image["id"], [])
        merged.append(present)
        # The released models were trained without COCO's boxes in images that LVIS left empty.
        if present:
            candidates = coco_boxes.get(_file_name(image), [])
            translated = _to_lvis(candidates, image, lvis_id_of)
            merged.append([a for a in translated if not _is_covered(a, present)])
    numbered = [{**a, "id": i} for i, a in enumerate(chain.from_iterable(merged), start=1)]
    return {**lvis, "annotations": numbered}


def without_masks(document: dict) -> dict:
    """Return an annotation file without the masks of its annotations."""
    boxes = [
        {key: value for key, value in a.items() if key != "segmentation"}
        for a in document["annotations"]
    ]
    return {**document, "annotations": boxes}


def _by_image(annotations: Iterable[dict]) -> dict[int, list[dict]]:
    of_image = defaultdict(list)
    for annotation in annotations:
        of_image[annotation["image_id"]].append(annotation)
    return dict(of_image)


def _file_name(image: dict) -> str:
    """Return the digits and suffix that an image has in COCO and in LVIS: ``000000391895.jpg``."""
    name = image.get("coco_url") or image.get("file_name")
    if name is None:
        raise InputError(f"image {image['id']} has neither coco_url nor file_name")
    return name[-FILE_NAME_LENGTH:]


def _to_lvis(annotations: list[dict], image: dict, lvis_id_of: Mapping[int, int]) -> list[dict]:
    """Return COCO annotations with LVIS ids, those left out whose class is verified absent."""
    absent = set(image.get("neg_category_ids", ()))
    return [
        {**a, "image_id": image["id"], "category_id": lvis_id_of[a["category_id"]]}
        for a in annotations
        if a["category_id"] in lvis_id_of and lvis_id_of[a["category_id"]] not in absent
    ]


def _is_covered(annotation: dict, present: list[dict]) -> bool:
    """Return whether an annotation of the same class has nearly the same box."""
    same_class = [a["bbox"] for a in present if a["category_id"] == annotation["category_id"]]
    if not same_class:
        return False
    boxes_xywh = np.asarray(same_class, dtype=np.float64)  # (N, 4)
    box_xywh = np.asarray([annotation["bbox"]], dtype=np.float64)
    ious = rle.bbox_iou(boxes_xywh, box_xywh, [False])  # (N, 1); False: not a crowd
    return bool((ious >= SAME_OBJECT_IOU).any())
