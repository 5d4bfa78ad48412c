"""Loading COCO and LVIS files, and the datasets known by name."""

import json
import os
import subprocess
import sys

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import (
    convert_to_coco_json,
    get_lvis_instances_meta,
    load_coco_json,
    load_lvis_json,
    register_coco,
    register_coco_instances,
    register_lvis_instances,
)
from detectron2.structures import BoxMode
from pycocotools import mask as mask_util

TRIANGLE = [1.0, 1.0, 5.0, 1.0, 5.0, 4.0]


def annotation(id, image_id, category_id, **values):
    box = {"id": id, "image_id": image_id, "category_id": category_id, "bbox": [1, 2, 3, 4]}
    return box | {"segmentation": [TRIANGLE]} | values


def coco(*annotations):
    return {
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        "images": [
            {"id": 9, "file_name": "b.jpg", "height": 10, "width": 20},
            {"id": 4, "file_name": "a.jpg", "height": 10, "width": 20},
        ],
        "annotations": list(annotations),
    }


def lvis(*annotations, **image_values):
    url = "http://images.cocodataset.org/train2017/000000000009.jpg"
    image = {"id": 9, "height": 10, "width": 20, "coco_url": url} | image_values
    return {"images": [image], "annotations": list(annotations)}


def test_coco_records_come_by_image_id_with_contiguous_classes(write_json, catalogs):
    path = write_json(coco(annotation(1, 9, 7, iscrowd=1, area=2, source="x"), annotation(2, 9, 3)))
    first, second = load_coco_json(path, "root", "pets", extra_annotation_keys=["source"])
    assert first == {
        "file_name": os.path.join("root", "a.jpg"),
        "height": 10, "width": 20, "image_id": 4, "annotations": [],
    }  # fmt: skip
    dog, cat = second["annotations"]
    assert dog == {
        "iscrowd": 1, "bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 1,
        "segmentation": [TRIANGLE], "source": "x",
    }  # fmt: skip
    assert cat["category_id"] == 0
    assert "iscrowd" not in cat
    meta = catalogs[1].get("pets")
    assert meta.thing_classes == ["cat", "dog"]
    assert meta.thing_dataset_id_to_contiguous_id == {3: 0, 7: 1}


def test_without_a_name_coco_category_ids_stay(write_json):
    path = write_json(coco(annotation(1, 4, 7)))
    assert load_coco_json(path, "")[0]["annotations"][0]["category_id"] == 7


def test_coco_polygons_of_two_points_are_dropped_with_their_annotation(write_json):
    line, odd = [0.0, 0.0, 1.0, 1.0], [*TRIANGLE, 1.0]
    path = write_json(
        coco(
            annotation(1, 4, 3, segmentation=[line, TRIANGLE, odd]),
            annotation(2, 4, 3, segmentation=[line]),
            annotation(3, 4, 3, segmentation=[]),
        )
    )
    first, last = load_coco_json(path, "")[0]["annotations"]
    assert first["segmentation"] == [TRIANGLE]
    assert "segmentation" not in last


def test_coco_crowds_have_compressed_masks(write_json):
    rle = {"size": [2, 3], "counts": [1, 2, 3]}
    path = write_json(coco(annotation(1, 4, 3, segmentation=rle)))
    segmentation = load_coco_json(path, "")[0]["annotations"][0]["segmentation"]
    assert mask_util.decode(segmentation).T.ravel().tolist() == [0, 1, 1, 0, 0, 0]


def test_annotation_ids_must_be_unique(write_json):
    path = write_json(coco(annotation(1, 4, 3), annotation(1, 9, 3)))
    with pytest.raises(ValueError, match=r"annotation ids in .* are not unique"):
        load_coco_json(path, "")


def test_lvis_records(write_json):
    path = write_json(
        lvis(annotation(1, 9, 3), neg_category_ids=[5], not_exhaustive_category_ids=[3])
    )
    (record,) = load_lvis_json(path, "coco/")
    assert record["file_name"] == os.path.join("coco/", "train2017", "000000000009.jpg")
    assert record["neg_category_ids"] == [5]
    assert record["not_exhaustive_category_ids"] == [3]
    assert record["annotations"] == [
        {"bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 2,
         "segmentation": [TRIANGLE]}
    ]  # fmt: skip


def test_lvis_test_files_have_no_annotations(write_json):
    content = lvis()
    del content["annotations"]
    (record,) = load_lvis_json(write_json(content), "coco/")
    assert record["annotations"] == []
    assert record["neg_category_ids"] == []


def test_lvis_metadata_is_set_unless_there_are_classes(write_json, catalogs):
    _, metadata = catalogs
    path = write_json(lvis())
    register_lvis_instances("lvis_v1_tiny", {}, path, "coco/")
    catalogs[0].get("lvis_v1_tiny")
    assert len(metadata.get("lvis_v1_tiny").thing_classes) == 1203
    register_lvis_instances("mine", {"thing_classes": ["cat"]}, path, "coco/")
    catalogs[0].get("mine")
    assert metadata.get("mine").thing_classes == ["cat"]
    register_lvis_instances("lviz", {}, path, "coco/")
    with pytest.raises(ValueError, match="no classes are known for dataset 'lviz'"):
        catalogs[0].get("lviz")


def test_registration_does_not_open_the_file(catalogs):
    register_coco_instances("pets", {"extra": 1}, "missing.json", "images")
    meta = catalogs[1].get("pets")
    assert (meta.json_file, meta.image_root, meta.evaluator_type, meta.extra) == (
        "missing.json", "images", "coco", 1,
    )  # fmt: skip
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        catalogs[0].get("pets")


def test_class_lists():
    lvis_meta, coco_meta = (
        get_lvis_instances_meta("lvis_v1_val"),
        MetadataCatalog.get("coco_2017_val").as_dict(),
    )
    assert len(lvis_meta["thing_classes"]) == 1203
    assert len(coco_meta["thing_classes"]) == 80
    assert lvis_meta["thing_classes"][:2] == ["aerosol_can", "air_conditioner"]
    assert lvis_meta["class_image_count"][2] == {"id": 3, "image_count": 1911}
    assert coco_meta["thing_classes"][11] == "stop sign"
    assert coco_meta["thing_dataset_id_to_contiguous_id"][13] == 11


LIST_BUILTINS = """
from detectron2.data import DatasetCatalog, MetadataCatalog
for name in DatasetCatalog.list():
    if name in WANTED:
        m = MetadataCatalog.get(name)
        print(name, m.json_file, m.image_root, m.evaluator_type, len(m.thing_classes))
"""
BUILTINS = """\
coco_2017_train /data/coco/annotations/instances_train2017.json /data/coco/train2017 coco 80
coco_2017_val /data/coco/annotations/instances_val2017.json /data/coco/val2017 coco 80
lvis_v1_train /data/lvis/lvis_v1_train.json /data/coco/ lvis 1203
lvis_v1_val /data/lvis/lvis_v1_val.json /data/coco/ lvis 1203
lvis_v1_test_dev /data/lvis/lvis_v1_image_info_test_dev.json /data/coco/ lvis 1203
lvis_v1_test_challenge /data/lvis/lvis_v1_image_info_test_challenge.json /data/coco/ lvis 1203
"""


def test_builtin_datasets_lie_under_the_directory_of_the_environment():
    wanted = {line.split()[0] for line in BUILTINS.splitlines()}
    listing = subprocess.run(
        [sys.executable, "-c", f"WANTED = {wanted}" + LIST_BUILTINS],
        env=os.environ | {"DETECTRON2_DATASETS": "/data"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sorted(listing.stdout.splitlines()) == sorted(BUILTINS.splitlines())


def test_builtin_classes_are_read_when_asked_for():
    assert "coco_2017_val" in DatasetCatalog.list()
    meta = MetadataCatalog.get("coco_2017_val")
    assert meta.evaluator_type == "coco"
    assert meta.thing_classes[0] == "person"


def test_datasets_are_written_in_the_format_they_are_read_in(tmp_path, catalogs, write_json):
    path = write_json(coco(annotation(1, 9, 7, iscrowd=1), annotation(2, 9, 3)))
    register_coco_instances("pets", {}, path, "root")
    output = tmp_path / "written.json"
    convert_to_coco_json("pets", str(output))
    again = load_coco_json(str(output), "", "pets again")
    for before, after in zip(catalogs[0].get("pets"), again, strict=True):
        assert [{"iscrowd": 0} | a for a in before["annotations"]] == after["annotations"]
        assert before["image_id"] == after["image_id"]
    assert catalogs[1].get("pets again").thing_dataset_id_to_contiguous_id == {3: 0, 7: 1}
    content = json.loads(output.read_text())
    assert content["annotations"][0]["area"] == pytest.approx(6, abs=2)  # of the triangle


def test_written_datasets_are_kept_on_request(tmp_path, catalogs):
    catalogs[0].register("pets", list)
    catalogs[1].get("pets").thing_classes = ["cat"]
    output = tmp_path / "written.json"
    output.write_text("old")
    convert_to_coco_json("pets", str(output))
    assert output.read_text() == "old"
    convert_to_coco_json("pets", str(output), allow_cached=False)
    assert json.loads(output.read_text())["categories"] == [{"id": 0, "name": "cat"}]


def test_registration_has_two_modules():
    assert register_coco.register_coco_instances is register_coco_instances
