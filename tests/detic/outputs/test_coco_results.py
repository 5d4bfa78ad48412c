import json
from dataclasses import replace

import hotcoco
import numpy as np
from pycocotools.coco import COCO

from detic.outputs import WRITERS, Category, ImageRecord
from detic.outputs.coco_results import images_path


def write(name, folder, records, categories):
    path = folder / f"{name}.json"
    with WRITERS[name](path, categories) as writer:
        for image, found in records:
            writer(image, found)
    return path, images_path(path)


def test_coco_results_load_with_pycocotools(tmp_path, found, image, categories):
    other = ImageRecord("photos/empty.jpg", image_id=8, stem="empty")
    records = [(image, found), (other, found[[]])]
    results, images = write("coco", tmp_path, records, categories)
    coco = COCO(images)
    assert coco.imgs[7]["file_name"] == "photos/desk.jpg"
    assert coco.cats[2]["name"] == "café, large"
    first, second = coco.loadRes(str(results)).loadAnns([1, 2])
    assert (first["image_id"], first["category_id"], first["score"]) == (7, 2, 0.75)
    assert first["bbox"] == [10, 5, 30, 15]
    np.testing.assert_array_equal(coco.annToMask(second).astype(bool), found.masks[1])


def test_parents_are_supercategories(tmp_path, found, image):
    categories = [Category(1, "cat"), Category(2, "cougar", parent="cat")]
    _, images = write("coco", tmp_path, [(image, found)], categories)
    assert COCO(images).loadCats([1, 2]) == [
        {"id": 1, "name": "cat"},
        {"id": 2, "name": "cougar", "supercategory": "cat"},
    ]


def test_lvis_results_load_with_an_lvis_reader(tmp_path, found, image, categories):
    results, images = write("lvis", tmp_path, [(image, found)], categories)
    loaded = hotcoco.LVISResults(hotcoco.LVIS(str(images)), str(results))
    annotations = loaded.load_anns(loaded.get_ann_ids())
    assert sorted(a["score"] for a in annotations) == [0.5, 0.75]
    assert {a["category_id"] for a in annotations} == {1, 2}


def test_lvis_results_keep_the_best_300_of_an_image(tmp_path, found, image, categories):
    many = replace(found, masks=None)[np.repeat(np.arange(2), 200)]
    results, _ = write("lvis", tmp_path, [(image, many)], categories)
    scores = [entry["score"] for entry in json.loads(results.read_text())]
    assert scores == [0.75] * 200 + [0.5] * 100


def test_boxes_alone_have_no_segmentation(tmp_path, found, image, categories):
    results, _ = write("coco", tmp_path, [(image, replace(found, masks=None))], categories)
    assert "segmentation" not in json.loads(results.read_text())[0]


def test_results_carry_the_ids_of_the_dataset(tmp_path, found, image):
    categories = [Category(11, "cat"), Category(12, "dog")]
    results, _ = write("coco", tmp_path, [(image, found)], categories)
    assert [entry["category_id"] for entry in json.loads(results.read_text())] == [12, 11]
