from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from detic.errors import InputError
from detic.outputs import WRITERS, ImageRecord
from detic.outputs.yolo import label_lines


def parse(text):
    """Return class and numbers of each line."""
    rows = [line.split() for line in text.splitlines()]
    return [(int(label), np.array(numbers, dtype=float)) for label, *numbers in rows]


def test_boxes_are_centres_and_sizes_in_fractions(found):
    lines = list(label_lines(replace(found, masks=None)))
    (label, box), second = parse("\n".join(lines))
    assert label == 1
    np.testing.assert_allclose(box * (60, 40, 60, 40), [25, 12.5, 30, 15], atol=1e-3)
    assert second[0] == 0


def test_polygons_fill_to_the_masks(tmp_path, found, image, categories):
    with WRITERS["yolo"](tmp_path, categories) as write:
        write(image, found)
    text = (tmp_path / "labels" / "desk.txt").read_text()
    for (_, numbers), mask in zip(parse(text), found.masks, strict=True):
        points = (numbers.reshape(-1, 2) * (60, 40)).round().astype(np.int32)
        filled = cv2.fillPoly(np.zeros((40, 60), np.uint8), [points], 1)
        np.testing.assert_array_equal(filled.astype(bool), mask)


def test_largest_part_of_a_mask_is_kept(found):
    found.masks[0] = False
    found.masks[0, 0:10, 0:10] = True
    found.masks[0, 20:23, 50:53] = True
    ((_, numbers),) = parse(next(iter(label_lines(found[:1]))))
    assert (numbers.reshape(-1, 2) * (60, 40)).max() < 10


def test_mask_without_area_becomes_its_box(found):
    found.masks[0] = False
    ((_, numbers),) = parse(next(iter(label_lines(found[:1]))))
    corners = [[10, 5], [40, 5], [40, 20], [10, 20]]
    np.testing.assert_allclose(numbers.reshape(-1, 2) * (60, 40), corners, atol=1e-3)


def test_classes_are_named_beside_the_labels(tmp_path, categories):
    with WRITERS["yolo"](tmp_path, categories):
        pass
    document = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    images = {"train": "images", "val": "images"}
    assert document == images | {"nc": 2, "names": {0: "cat", 1: "café, large"}}
    names = (tmp_path / "labels" / "classes.txt").read_text(encoding="utf-8")
    assert names == "cat\ncafé, large\n"


def test_images_without_detections_have_empty_files(tmp_path, found, image, categories):
    with WRITERS["yolo"](tmp_path, categories) as write:
        write(image, found[[]])
    assert (tmp_path / "labels" / "desk.txt").read_text() == ""


def test_two_images_cannot_share_a_file(tmp_path, found, image, categories):
    with WRITERS["yolo"](tmp_path, categories) as write:
        write(image, found)
        with pytest.raises(InputError, match=r"photos/desk.jpg and photos/desk.png would both"):
            write(ImageRecord("photos/desk.png", 8, "desk"), found)
        with pytest.raises(InputError, match=r"the list of classes and classes.png would both"):
            write(ImageRecord("classes.png", 9, "classes"), found)
