"""The data of the example with classes of one's own."""

import json

from detic.evaluation.forgetting import ForgettingReport, GroupChange
from detic.shapes.nouns import BENCHMARK_NOUNS, HELD_OUT_NOUNS
from detic.shapes.own_data import COMPARISON, as_coco, summary_table, write_own_data
from detic.shapes.world import generate_world
from detic.vocabulary import read_vocabulary_file

SIZES = {"train_images": 30, "val_images": 1, "labels_per_class": 1}


def test_coco_has_what_is_boxed_and_nothing_of_lvis():
    document = {
        "categories": [{"id": 1, "name": "a", "frequency": "f"}, {"id": 2, "name": "b"}],
        "images": [
            {"id": 1, "file_name": "x", "width": 2, "height": 3, "neg_category_ids": [2]},
        ],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
    }
    coco = as_coco(document)
    assert coco["categories"] == [{"id": 1, "name": "a"}]
    assert coco["images"] == [{"id": 1, "file_name": "x", "width": 2, "height": 3}]
    assert coco["annotations"][0]["iscrowd"] == 0


def test_own_data_has_new_classes_with_boxes_and_others_with_images(tmp_path):
    generate_world(tmp_path, 0, 1, 1, 1, nouns=BENCHMARK_NOUNS[:2], progress=False)
    write_own_data(tmp_path, SIZES)
    write_own_data(tmp_path, SIZES)  # what is there is kept
    root = tmp_path / "own_shapes"
    boxed = {c["name"] for c in json.loads((root / "boxes.json").read_text())["categories"]}
    imaged = {path.name.replace("_", " ") for path in (root / "images").iterdir()}
    new = read_vocabulary_file(root / "new_classes.txt").names
    assert {name.split()[-1] for name in new} == set(HELD_OUT_NOUNS)
    assert len(imaged) == 8
    assert boxed <= set(new) - imaged
    names = read_vocabulary_file(root / "vocabulary.txt").names
    assert len(names) == 8 + 32
    assert names[8:] == new


def test_the_summary_has_both_trainings_beside_the_detector_as_it_was():
    reports = {
        recipe: ForgettingReport("segm/AP", [GroupChange("old classes", 3, 50.0, after)], [])
        for recipe, after in zip(COMPARISON, (30.0, 45.0), strict=True)
    }
    row = summary_table(reports).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["old classes", "3", "50.0", "30.0", "45.0"]
