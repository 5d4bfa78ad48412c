"""Loading annotation files in the style of COCO."""

import json
import logging

import pytest
from detectron2.data import MetadataCatalog
from detectron2.structures import BoxMode

from detic.datasets.coco_style import load_coco_style_json
from detic.errors import InputError

IMAGE = {"id": "a1", "file_name": "x/a1.jpg", "height": 4, "width": 4}


@pytest.fixture
def load(tmp_path):
    """A function that writes an annotation file and loads it."""

    def write_and_load(annotations=(), image=IMAGE, names=("cat", "dog"), dataset_name=None):
        path = tmp_path / "a.json"
        categories = [{"id": 10 * (i + 1), "name": name} for i, name in enumerate(names)]
        path.write_text(
            json.dumps({"categories": categories, "images": [image], "annotations": annotations})
        )
        return load_coco_style_json(str(path), "ROOT", dataset_name)

    return write_and_load


@pytest.fixture
def dataset():
    """The name of a dataset of cats and dogs."""
    MetadataCatalog.get("test_pets").set(thing_classes=["cat", "dog"])
    yield "test_pets"
    MetadataCatalog.remove("test_pets")


def annotation(**fields):
    return {"id": 1, "image_id": "a1", "category_id": 20, "bbox": [0, 0, 2, 2]} | fields


def test_records_have_crowds_and_verified_absent_classes(load, dataset):
    image = IMAGE | {"neg_category_ids": [20, 10], "pos_category_ids": [10]}
    (record,) = load([annotation(iscrowd=1)], image, dataset_name=dataset)
    assert record["file_name"] == "ROOT/x/a1.jpg"
    assert record["image_id"] == "a1"
    assert record["neg_category_ids"] == [1, 0]
    assert "pos_category_ids" not in record
    assert record["annotations"] == [
        {"iscrowd": 1, "bbox": [0, 0, 2, 2], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 1}
    ]


def test_polygons_of_two_points_go_and_the_boxes_stay(load, caplog):
    triangle = [0, 0, 2, 0, 2, 2]
    with caplog.at_level(logging.WARNING):
        (record,) = load(
            [
                annotation(segmentation=[triangle, [0, 0, 1, 1]]),
                annotation(id=2, segmentation=[[0, 0, 1, 1]]),
            ]
        )
    assert [a.get("segmentation") for a in record["annotations"]] == [[triangle], None]
    assert "1 annotations have polygons with fewer than three points" in caplog.text


def test_run_length_masks_are_compressed(load):
    mask = {"size": [4, 4], "counts": [0, 2, 14]}
    (record,) = load([annotation(segmentation=mask)])
    assert isinstance(record["annotations"][0]["segmentation"]["counts"], bytes)


@pytest.mark.parametrize(
    ("image", "fields", "message"),
    [
        ({**IMAGE, "file_name": None}, {}, "image a1: has no file_name"),
        ({**IMAGE, "file_name": ""}, {}, r"image number 1 \(id 'a1'\): 'file_name' is ''"),
        (IMAGE, {"segmentation": {"size": [4, 4]}}, "annotation 1: 'segmentation' has"),
        (IMAGE, {"segmentation": [3]}, "annotation 1: 'segmentation' has"),
        (
            IMAGE,
            {"segmentation": {"size": [4, 4], "counts": [-1, 17]}},
            "annotation 1: 'segmentation' has",
        ),
    ],
)
def test_malformed_records_are_named(load, image, fields, message):
    with pytest.raises(InputError, match=message):
        load([annotation(**fields)], image)


def test_other_class_names_than_the_datasets_are_refused(load, dataset):
    with pytest.raises(InputError, match="category 20 is called 'dgo', expected 'dog'"):
        load(names=("cat", "dgo"), dataset_name=dataset)
    with pytest.raises(InputError, match="has 1 categories, dataset 'test_pets' has 2"):
        load(names=("cat",), dataset_name=dataset)
