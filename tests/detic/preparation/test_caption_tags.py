"""Image labels from captions."""

import random

import pytest

from detic.errors import InputError
from detic.preparation.caption_tags import (
    TagMatcher,
    captions_by_image,
    spoken_words,
    tag_images,
    with_lvis_synonyms,
)
from detic.preparation.tables import coco_to_lvis
from detic.vocabulary import builtin_categories

CATEGORIES = [
    {"id": 5, "synonyms": ["teddy_bear", "Teddy_(toy)"]},
    {"id": 2, "synonyms": ["dog"]},
]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("a dog on a chair", [2]),
        ("Dog on a chair", [2]),  # at the start
        ("look at this dog", [2]),  # at the end
        ("a dog.", []),  # no punctuation
        ("two dogs", []),  # no plurals
        ("a hotdog stand", []),
        ("dog", []),  # nothing but the name
        ("a teddy  bear here", [5]),  # "teddy" alone, as there are two spaces
        ("a dog with a teddy bear", [5, 2]),  # in the order of the categories
    ],
)
def test_which_classes_a_text_mentions(text, classes):
    assert TagMatcher(CATEGORIES)(text) == classes


def test_matching_is_the_same_as_looking_for_each_name_between_spaces():
    rng = random.Random(0)
    words = ["a", "b", "c", ""]

    def phrase(length):
        return " ".join(rng.choice(words) for _ in range(length))

    names = sorted({phrase(rng.randint(1, 3)).strip() for _ in range(12)})
    find = TagMatcher([{"id": i, "synonyms": [name]} for i, name in enumerate(names)])
    for _ in range(300):
        text = phrase(rng.randint(1, 6))
        expected = [
            i
            for i, name in enumerate(names)
            if f" {name} " in text or text.startswith(f"{name} ") or text.endswith(f" {name}")
        ]
        assert find(text) == expected, (text, names)


def test_names_are_cut_at_the_bracket():
    assert spoken_words("Bow_(decorative_ribbons)") == ("bow",)


def test_first_caption_or_all_of_them():
    images = [{"id": 1, "captions": ["a cat", "my dog here"]}, {"id": 2, "captions": []}]

    def tags(**options):
        tagged = tag_images(images, CATEGORIES, **options)
        return [(image["id"], image["pos_category_ids"]) for image in tagged]

    assert tags(all_captions=False, keep_untagged=False) == []
    assert tags(all_captions=True, keep_untagged=False) == [(1, [2])]
    assert tags(all_captions=False, keep_untagged=True) == [(1, []), (2, [])]


def test_joined_captions_can_match_across_two_of_them():
    images = [{"id": 1, "captions": ["a teddy", "bear here"]}]
    tagged = tag_images(images, CATEGORIES, all_captions=True, keep_untagged=False)
    assert tagged[0]["pos_category_ids"] == [5]


def test_images_without_captions_are_refused():
    with pytest.raises(InputError, match="image 1 has no 'captions'; give --convert_caption"):
        tag_images([{"id": 1}], CATEGORIES, all_captions=True, keep_untagged=True)


def test_captions_that_are_annotations_are_given_to_their_images():
    document = {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": [
            {"id": 9, "image_id": 2, "caption": "late"},
            {"id": 8, "image_id": 2, "caption": "early"},
        ],
    }
    images = captions_by_image(document)["images"]
    assert images == [{"id": 1, "captions": []}, {"id": 2, "captions": ["late", "early"]}]


def test_ten_coco_names_are_not_among_their_synonyms_as_the_released_models_were_trained():
    lvis = builtin_categories("lvis")
    categories = with_lvis_synonyms(builtin_categories("coco"), lvis, coco_to_lvis())
    unfindable = {
        c["name"]
        for c in categories
        if tuple(c["name"].split(" ")) not in {spoken_words(s) for s in c["synonyms"]}
    }
    assert unfindable == {
        "skis",
        "sports ball",
        "wine glass",
        "hot dog",
        "potted plant",
        "laptop",
        "remote",
        "cell phone",
        "microwave",
        "hair drier",
    }
    assert {c["frequency"] for c in categories} == {"f"}


def test_categories_that_are_not_cocos_need_synonyms():
    with pytest.raises(InputError, match="category 91 has no synonyms and is no class of COCO"):
        with_lvis_synonyms([{"id": 91}], builtin_categories("lvis"), coco_to_lvis())
