"""Examples out of annotation files, folders and vocabularies."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest

from detic.errors import InputError
from detic.tuning import (
    BoxedObject,
    ExampleImage,
    boxed_examples,
    examples_of_classes,
    few_of_each,
    labelled_examples,
)
from detic.vocabulary import ClassEntry, ClassExample, Vocabulary

DOCUMENT = {
    "categories": [{"id": 1, "name": "cat"}],
    "images": [{"id": k, "file_name": f"{k}.png", "height": 9, "width": 9} for k in (1, 2)],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
    ],
}


def write(tmp_path, document):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(document))
    return path


def test_boxes_of_a_file_without_crowds(tmp_path):
    (found,) = boxed_examples(write(tmp_path, DOCUMENT), "images")
    assert str(found) == "images/1.png"
    assert found.objects == (BoxedObject("cat", (1, 2, 4, 6)),)


def test_a_file_without_boxes_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"boxes\.json has no boxes; expected at least one"):
        boxed_examples(write(tmp_path, DOCUMENT | {"annotations": []}), ".")


def test_images_in_folders_are_labelled_by_their_folder(tmp_path):
    for name in ("cat", "guide_dog"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.zeros((9, 9, 3), np.uint8))
    found = labelled_examples(tmp_path, ["guide dog", "cat"])
    assert [example.labels for example in found] == [("cat",), ("guide dog",)]


def test_few_boxes_and_labels_of_each_class_are_drawn_by_the_seed():
    objects = tuple(BoxedObject(name, (k, 0, k + 1, 1)) for k in range(5) for name in "ab")
    examples = [ExampleImage(f"{k}", objects) for k in range(2)]
    examples += [ExampleImage(f"{k}", labels=("a",)) for k in range(2, 6)]
    few = few_of_each(examples, 3, seed=1)
    boxes = Counter(o.name for e in few for o in e.objects)
    assert boxes == {"a": 3, "b": 3}
    assert sum(len(e.labels) for e in few) == 3
    again, other = (few_of_each(examples, 3, seed=s) for s in (1, 2))
    assert [e.objects for e in again] == [e.objects for e in few] != [e.objects for e in other]


def test_a_class_of_a_vocabulary_has_boxes_and_whole_images():
    shown = (ClassExample("a.png", (0, 0, 2, 2)), ClassExample("b.png"))
    vocabulary = Vocabulary((ClassEntry("cat", examples=shown), ClassEntry("dog")))
    boxed, whole = examples_of_classes(vocabulary)
    assert (boxed.objects, boxed.labels) == ((BoxedObject("cat", (0, 0, 2, 2)),), ())
    assert (str(whole), whole.objects, whole.labels) == ("b.png", (), ("cat",))
