"""Loading annotation files in the style of LVIS."""

import json
import logging

import pytest
from detectron2.data import MetadataCatalog
from detectron2.structures import BoxMode

from detic.datasets.lvis_style import load_lvis_style_json
from detic.errors import InputError

TRIANGLE = [[1, 2, 4, 2, 4, 6]]


@pytest.fixture
def load(tmp_path):
    """A function that writes an annotation file and loads it."""

    def write_and_load(images, annotations=(), category_ids=(5, 1, 3, 9), dataset_name=None):
        path = tmp_path / "a.json"
        categories = [{"id": i, "name": f"n{i}"} for i in category_ids]
        images = [{"height": 10, "width": 20} | image for image in images]
        path.write_text(
            json.dumps({"categories": categories, "images": images, "annotations": annotations})
        )
        return load_lvis_style_json(str(path), "ROOT", dataset_name)

    return write_and_load


def annotation(number=1, **fields):
    return {"id": number, "image_id": 7, "category_id": 9, "bbox": [1, 2, 3, 4]} | fields


def test_records_come_by_image_id_with_class_indices(load):
    first, second = load(
        [
            {"id": 7, "file_name": "a/b.jpg", "neg_category_ids": [9], "pos_category_ids": [3, 1]},
            {"id": 2, "file_name": "c.jpg", "not_exhaustive_category_ids": [5]},
        ],
        [annotation(segmentation=TRIANGLE), annotation(2, category_id=1)],
    )
    assert first == {
        "file_name": "ROOT/c.jpg",
        "height": 10,
        "width": 20,
        "image_id": 2,
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [5],
        "annotations": [],
    }
    assert second["neg_category_ids"] == [3]
    assert second["pos_category_ids"] == [1, 0]
    box = {"bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYWH_ABS}
    assert second["annotations"] == [
        box | {"category_id": 3, "segmentation": TRIANGLE},
        box | {"category_id": 0},
    ]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"file_name": "val/x.jpg"}, {"file_name": "ROOT/val/x.jpg"}),
        (
            {"coco_url": "http://images.cocodataset.org/train2017/000000000002.jpg"},
            {"file_name": "ROOT/train2017/000000000002.jpg"},
        ),
        (
            {"coco_url": "https://images.cocodataset.org/val2017/000000000002.jpg"},
            {"file_name": "ROOT/val2017/000000000002.jpg"},
        ),
        ({"tar_index": 33}, {"tar_index": 33}),
    ],
)
def test_where_an_image_is(load, image, expected):
    (record,) = load([{"id": 1} | image])
    assert {key: record[key] for key in ("file_name", "tar_index") if key in record} == expected


def test_names_of_coco_2014_keep_their_last_16_characters(load):
    (record,) = load([{"id": 1, "file_name": "COCO_train2014_000000000007.jpg"}])
    assert record["file_name"] == "ROOT/000000000007.jpg"


def test_captions_and_their_features_are_passed_on(load):
    image = {"id": 1, "file_name": "a.jpg", "captions": ["a cat"], "caption_features": [[1.0]]}
    (record,) = load([image])
    assert (record["captions"], record["caption_features"]) == (["a cat"], [[1.0]])


def test_crowds_are_left_out(load):
    (record,) = load([{"id": 7, "file_name": "a.jpg"}], [annotation(iscrowd=1)])
    assert record["annotations"] == []


def test_boxes_with_invalid_polygons_are_reported_and_kept(load, caplog):
    with caplog.at_level(logging.WARNING):
        (record,) = load(
            [{"id": 7, "file_name": "a.jpg"}], [annotation(segmentation=[[0, 0, 1, 1]])]
        )
    assert [a["bbox"] for a in record["annotations"]] == [[1, 2, 3, 4]]
    assert "segmentation" not in record["annotations"][0]
    assert "1 annotations have polygons with fewer than three points" in caplog.text


def test_run_length_masks_are_compressed(load):
    mask = {"size": [10, 20], "counts": [0, 2, 198]}
    (record,) = load([{"id": 7, "file_name": "a.jpg"}], [annotation(segmentation=mask)])
    assert isinstance(record["annotations"][0]["segmentation"]["counts"], bytes)


@pytest.mark.parametrize(
    ("image", "fields", "message"),
    [
        ({}, {}, "image 7: has neither file_name nor coco_url nor tar_index"),
        ({"file_name": "a", "pos_category_ids": [2]}, {}, r"image 7: \[2\] is not a list of ids"),
        ({"file_name": "a", "captions": "text"}, {}, "image 7: 'captions' is 'text'"),
        ({"file_name": "a"}, {"segmentation": [5]}, "annotation 1: 'segmentation' has masks that"),
        ({"file_name": 5}, {}, r"image number 1 \(id 7\): 'file_name' is 5; expected the path"),
        ({"coco_url": 5}, {}, "'coco_url' is 5; expected an address"),
        ({"coco_url": "http://x"}, {}, "'coco_url' is 'http://x'; expected an address"),
        ({"tar_index": "5"}, {}, "'tar_index' is '5'; expected a whole number"),
    ],
)
def test_malformed_records_are_named(load, image, fields, message):
    with pytest.raises(InputError, match=message):
        load([{"id": 7} | image], [annotation(**fields)])


def test_the_1203_classes_of_lvis_are_numbered_from_1(load):
    assert load([], category_ids=range(1, 1204)) == []
    with pytest.raises(InputError, match="their ids are not 1 to 1203"):
        load([], category_ids=range(2, 1205))


def test_a_file_with_another_number_of_classes_than_its_dataset_is_refused(load):
    MetadataCatalog.get("test_two_classes").set(thing_classes=["cat", "dog"])
    with pytest.raises(InputError, match="has 4 categories, dataset 'test_two_classes' has 2"):
        load([], dataset_name="test_two_classes")
    MetadataCatalog.remove("test_two_classes")
