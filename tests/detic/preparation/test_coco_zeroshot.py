"""Splitting COCO by seen and unseen classes."""

import pytest

from detic.preparation.coco_zeroshot import keep_group, with_categories
from detic.vocabulary import builtin_categories

COCO = {
    "info": "kept",
    "categories": builtin_categories("coco"),
    "images": [{"id": 1}, {"id": 2}, {"id": 3}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1},  # person: seen
        {"id": 2, "image_id": 1, "category_id": 17},  # cat: unseen
        {"id": 3, "image_id": 2, "category_id": 17},
        {"id": 4, "image_id": 3, "category_id": 10},  # traffic light: in neither
    ],
}


@pytest.mark.parametrize(
    ("group", "num_classes", "annotations", "images"),
    [("seen", 48, [1], [1]), ("unseen", 17, [2, 3], [1, 2]), ("all", 65, [1, 2, 3], [1, 2])],
)
def test_a_group_keeps_its_annotations_and_their_images(group, num_classes, annotations, images):
    kept = keep_group(COCO, group)
    assert len(kept["categories"]) == num_classes
    assert [a["id"] for a in kept["annotations"]] == annotations
    assert [i["id"] for i in kept["images"]] == images
    assert kept["info"] == "kept"


def test_categories_come_in_the_order_of_coco():
    ids = [category["id"] for category in keep_group(COCO, "all")["categories"]]
    assert ids == sorted(ids)


def test_all_classes_can_be_put_back_and_nothing_else_changes():
    seen = keep_group(COCO, "seen")
    assert with_categories(seen, COCO["categories"]) == seen | {"categories": COCO["categories"]}
