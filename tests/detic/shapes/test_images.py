import cv2
import numpy as np

from detic.shapes.classes import draw_classes
from detic.shapes.images import (
    TRAIN_SPLIT,
    VAL_SPLIT,
    random_scene,
    write_label_image,
    write_scene,
)

WORLD = {"seed": 0, "nouns": ("star", "key", "fish")}


def test_scenes_have_three_to_seven_objects():
    classes = draw_classes(0)
    counts = {len(random_scene(classes, np.random.default_rng(seed)).objects) for seed in range(40)}
    assert counts >= {3, 7}
    assert max(counts) == 7


def test_shares_decide_what_is_drawn():
    classes = draw_classes(0)
    shares = np.zeros(len(classes))
    shares[5] = 1
    image = random_scene(classes, np.random.default_rng(0), shares)
    assert {drawn.shape_class for drawn in image.objects} == {classes[5]}


def test_scene_is_the_same_whatever_was_drawn_before(tmp_path):
    alone = write_scene(3, root=tmp_path / "a", split=TRAIN_SPLIT, **WORLD)
    for number in (1, 2, 3):
        in_order = write_scene(number, root=tmp_path / "b", split=TRAIN_SPLIT, **WORLD)
    assert alone == in_order
    names = [tmp_path / folder / "train/000003.jpg" for folder in "ab"]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_train_and_val_scenes_of_one_number_differ(tmp_path):
    train, val = (
        write_scene(1, root=tmp_path, split=split, **WORLD) for split in (TRAIN_SPLIT, VAL_SPLIT)
    )
    assert train[1] != val[1]


def test_label_images_come_class_by_class(tmp_path):
    entries = [
        write_label_image(number, root=tmp_path, per_class=2, **WORLD) for number in (1, 2, 3)
    ]
    assert [entry["pos_category_ids"] for entry in entries] == [[1], [1], [2]]
    first, second, *_ = draw_classes(0, WORLD["nouns"])
    folders = [entry.name.replace(" ", "_") for entry in (first, first, second)]
    numbers = ("0001", "0002", "0001")
    expected = [
        f"labels/{folder}/{number}.jpg" for folder, number in zip(folders, numbers, strict=True)
    ]
    assert [entry["file_name"] for entry in entries] == expected


def test_written_image_has_the_stated_size(tmp_path):
    entry = write_label_image(1, root=tmp_path, per_class=1, **WORLD)
    image = cv2.imread(str(tmp_path / entry["file_name"]))
    assert image.shape == (entry["height"], entry["width"], 3) == (64, 64, 3)
