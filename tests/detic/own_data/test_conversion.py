"""Annotated images become files in COCO's format."""

import json
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.own_data.annotated import AnnotatedImage, AnnotatedObject
from detic.own_data.conversion import hash_share, split, with_common_names, write_files

BOX = (1.0, 2.0, 3.0, 4.0)


def image(name, *classes, labels=(), split=None):
    objects = tuple(AnnotatedObject(of, BOX) for of in classes)
    return AnnotatedImage(Path("/data") / name, (10, 20), objects, labels, split)


def names(images):
    return [image.path.name for image in images]


def test_one_class_has_one_spelling():
    [first, second] = with_common_names([image("a", "Red_bottle"), image("b", "red bottle")])
    assert {first.objects[0].name, second.objects[0].name} == {"Red bottle"}


@pytest.mark.parametrize("name", ["__background__", "Background", " "])
def test_what_names_no_class_is_refused_with_its_image(name):
    with pytest.raises(InputError, match=r"\(as in /data/a\): no name of a class"):
        with_common_names([image("a", name)])


def test_names_without_letters_are_told_of(caplog):
    with_common_names([image("a", "17")])
    assert "'17' say nothing" in caplog.text


def test_given_splits_are_kept():
    data = [image("a", split="train"), image("b", split="val"), image("c", split="test")]
    training, validation = split(data)
    assert (names(training), names(validation)) == (["a"], ["b"])
    training, validation = split([data[0], data[2]])
    assert (names(training), names(validation)) == (["a"], ["c"])


def test_a_fifth_validates_where_nothing_is_said():
    data = [image(f"{i}.jpg") for i in range(1000)]
    training, validation = split(data)
    assert len(training) + len(validation) == 1000
    assert 160 < len(validation) < 240
    assert all(hash_share(name) < 0.2 for name in names(validation))


def test_images_keep_their_split_when_others_come():
    few, many = ([image(f"{i}.jpg") for i in range(count)] for count in (100, 200))
    assert set(names(split(few)[1])) <= set(names(split(many)[1]))


def test_two_images_are_shared_and_one_is_not_enough():
    training, validation = split([image("a"), image("b")])
    assert sorted(names(training + validation)) == ["a", "b"]
    assert len(training) == 1
    with pytest.raises(InputError, match="1 images with boxes to train on, 0 to validate on"):
        split([image("a")])


@pytest.fixture
def written(tmp_path):
    """The files of a boxed class, one with labels and one in validation only."""
    data = [
        image("x/a.jpg", "cat", split="train"),
        image("y/b.jpg", "cat", "fox", split="val"),
        image("z/c.jpg", labels=("owl",)),
    ]
    return write_files(data, tmp_path)


def test_classes_are_told_apart_by_their_boxes_in_training(written):
    assert written.classes.with_boxes == ("cat",)
    assert written.classes.without_boxes == ("fox", "owl")
    assert written.num_boxes == {"cat": 1}


def test_files_are_in_the_format_of_coco(written):
    document = json.loads(written.paths["val"].read_text())
    assert document["categories"] == [
        {"id": 1, "name": "cat"},
        {"id": 2, "name": "fox"},
        {"id": 3, "name": "owl"},
    ]
    [record] = document["images"]
    assert written.image_root == Path("/data")
    assert record == {"id": 1, "file_name": "y/b.jpg", "width": 20, "height": 10}
    assert [a["category_id"] for a in document["annotations"]] == [1, 2]
    assert document["annotations"][0] | {"id": 1} == {
        **{"id": 1, "image_id": 1, "category_id": 1},
        **{"bbox": list(BOX), "iscrowd": 0},
    }


def test_labels_of_whole_images_have_a_file_of_their_own(written):
    document = json.loads(written.paths["labels"].read_text())
    assert [record["pos_category_ids"] for record in document["images"]] == [[3]]
    assert document["annotations"] == []
