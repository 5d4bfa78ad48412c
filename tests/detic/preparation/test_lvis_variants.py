"""Withholding rare classes, counting classes, adding COCO's boxes."""

import pytest

from detic.errors import InputError
from detic.preparation.lvis_variants import (
    count_classes,
    merge_coco,
    with_frequencies,
    without_masks,
    without_rare,
)


def test_only_annotations_of_rare_classes_go():
    document = {
        "info": "kept",
        "images": [{"id": 1}, {"id": 2, "neg_category_ids": [7]}],
        "categories": [{"id": 7, "frequency": "r", "image_count": 1}, {"id": 8, "frequency": "c"}],
        "annotations": [{"id": 1, "category_id": 7}, {"id": 2, "category_id": 8}],
    }
    assert without_rare(document) == document | {"annotations": [{"id": 2, "category_id": 8}]}


def test_image_counts_are_of_distinct_images_and_crowds_count():
    document = {
        "categories": [{"id": 7, "name": "cat", "image_count": 99}, {"id": 8}],
        "annotations": [
            {"image_id": 1, "category_id": 7},
            {"image_id": 1, "category_id": 7, "iscrowd": 1},
            {"image_id": 2, "category_id": 7},
        ],
    }
    assert count_classes(document) == [
        {"id": 7, "name": "cat", "image_count": 2, "instance_count": 3},
        {"id": 8, "image_count": 0, "instance_count": 0},
    ]


def test_frequency_thresholds_of_the_released_counts_differ_from_lvis():
    counts = [{"image_count": n} for n in (9, 10, 99, 100)]  # LVIS: r r c c
    assert [c["frequency"] for c in with_frequencies(counts)] == ["r", "c", "c", "f"]
    assert [c["frequency"] for c in with_frequencies(counts, 10, 11)] == ["r", "c", "f", "f"]


def lvis_and_coco(coco_annotations, neg_category_ids=(), lvis_annotations=True):
    """One image with an LVIS box of class 3, and COCO annotations of the same image."""
    box = {"id": 50, "image_id": 5, "category_id": 3, "bbox": [0, 0, 10, 10]}
    lvis = {
        "categories": [{"id": 3, "image_count": 1}, {"id": 4}],
        "images": [
            {
                "id": 5,
                "coco_url": "http://images.cocodataset.org/train2017/000000000009.jpg",
                "neg_category_ids": list(neg_category_ids),
            }
        ],
        "annotations": [box] if lvis_annotations else [],
    }
    coco = {
        "images": [{"id": 9, "file_name": "000000000009.jpg"}],
        "annotations": [{"image_id": 9} | a for a in coco_annotations],
    }
    return lvis, coco


SAME_BOX = {"id": 1, "category_id": 30, "bbox": [0, 0, 10, 10]}
IOU_70 = {"id": 1, "category_id": 30, "bbox": [0, 0, 10, 7]}
IOU_69 = {"id": 1, "category_id": 30, "bbox": [0, 0, 10, 6.9]}
OTHER_CLASS = {"id": 1, "category_id": 40, "bbox": [0, 0, 10, 10]}
UNMAPPED = {"id": 1, "category_id": 90, "bbox": [50, 0, 10, 10]}


@pytest.mark.parametrize(
    ("annotation", "absent", "is_added"),
    [
        (SAME_BOX, [], False),
        (IOU_70, [], False),  # the bound is inclusive
        (IOU_69, [], True),
        (OTHER_CLASS, [], True),
        (OTHER_CLASS, [4], False),  # verified absent
        (UNMAPPED, [], False),
    ],
)
def test_which_coco_boxes_are_added(annotation, absent, is_added):
    merged = merge_coco(*lvis_and_coco([annotation], absent), {30: 3, 40: 4})
    assert len(merged["annotations"]) == 1 + is_added


def test_added_boxes_have_lvis_ids_and_all_are_numbered_anew():
    crowd = OTHER_CLASS | {"iscrowd": 1}
    merged = merge_coco(*lvis_and_coco([OTHER_CLASS, crowd]), {40: 4})
    assert [(a["id"], a["image_id"], a["category_id"]) for a in merged["annotations"]] == [
        (1, 5, 3),
        (2, 5, 4),  # candidates are not compared with each other
        (3, 5, 4),
    ]
    assert merged["categories"] == [{"id": 3, "image_count": 1}, {"id": 4}]


def test_images_that_lvis_left_empty_stay_empty_as_the_released_models_were_trained():
    merged = merge_coco(*lvis_and_coco([OTHER_CLASS], lvis_annotations=False), {40: 4})
    assert merged["annotations"] == []


def test_masks_can_be_left_out():
    document = {"annotations": [{"id": 1, "bbox": [1], "segmentation": []}], "images": []}
    assert without_masks(document) == {"annotations": [{"id": 1, "bbox": [1]}], "images": []}


def test_images_without_a_name_are_refused():
    nameless = {"images": [{"id": 4}], "annotations": []}
    with pytest.raises(InputError, match="image 4 has neither coco_url nor file_name"):
        merge_coco({"images": [], "annotations": []}, nameless, {})
