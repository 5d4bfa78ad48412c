import numpy as np
import pytest

from detic.shapes.annotation import (
    FederationRates,
    annotate,
    category,
    document,
    with_novel_as_rare,
)
from detic.shapes.classes import ShapeClass
from detic.shapes.scene import DrawnObject, Image

STAR, KEY, FISH = (
    ShapeClass(number, "red", noun, novel)
    for number, noun, novel in ((1, "star", False), (2, "key", True), (3, "fish", False))
)
IDS = (1, 2, 3)


def image_of(*classes):
    masks = np.zeros((len(classes), 8, 40), bool)
    for index, mask in enumerate(masks):
        mask[2:6, 8 * index + 1 : 8 * index + 4] = True
    objects = [DrawnObject(entry, mask) for entry, mask in zip(classes, masks, strict=True)]
    return Image(np.zeros((8, 40, 3), np.uint8), objects)


def annotated(*classes, **rates):
    federation = FederationRates(**{"negative": 0, "hidden": 0, "not_exhaustive": 0, **rates})
    return annotate(image_of(*classes), IDS, federation, np.random.default_rng(0))


def test_annotation_describes_the_visible_mask():
    _, (only,) = annotated(STAR)
    assert (only["category_id"], only["bbox"], only["area"]) == (1, [1, 2, 3, 4], 12)
    assert len(only["segmentation"]) == 1


def test_only_absent_classes_are_negatives():
    image, _ = annotated(STAR, KEY, negative=1)
    assert image["neg_category_ids"] == [3]


def test_hidden_classes_are_neither_annotated_nor_negative():
    image, annotations = annotated(STAR, KEY, hidden=1, negative=1, not_exhaustive=1)
    assert annotations == []
    assert image == {"neg_category_ids": [3], "not_exhaustive_category_ids": []}


def test_not_exhaustive_classes_lack_one_of_several_objects():
    image, annotations = annotated(STAR, KEY, STAR, not_exhaustive=1)
    assert image["not_exhaustive_category_ids"] == [1, 2]
    assert [entry["category_id"] for entry in annotations] == [2, 1]


def test_category_names_its_first_synonym():
    entry = category(KEY)
    assert (entry["id"], entry["name"], entry["synset"]) == (2, "red key", "red_key.n.01")
    assert entry["synonyms"] == ["red key", "red latchkey", "red door key"]


def rows(*pairs):
    return [{"image_id": image, "category_id": number} for image, number in pairs]


def test_novel_classes_are_r_and_base_classes_split_at_the_median():
    counted = [{"id": number, "image_count": count} for number, count in ((1, 4), (2, 9), (3, 8))]
    letters = [entry["frequency"] for entry in with_novel_as_rare(counted, (STAR, KEY, FISH))]
    assert letters == ["c", "r", "f"]  # base counts 4 and 8, median 6


@pytest.fixture
def source():
    categories = [category(entry) for entry in (STAR, KEY, FISH)]
    return document(categories, [{"id": 1}, {"id": 2}], rows((1, 1), (1, 2), (2, 2)))


def test_annotations_are_numbered_from_1(source):
    assert [entry["id"] for entry in source["annotations"]] == [1, 2, 3]
