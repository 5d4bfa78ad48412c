"""The evaluators of COCO and LVIS, against the benchmarks' own code."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import COCOEvaluator, LVISEvaluator
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.structures import Boxes, BoxMode, Instances
from lvis import LVIS, LVISEval, LVISResults
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDE = 160
CATEGORY_IDS = [3, 7, 9]


def random_boxes(generator, count):
    corners = generator.uniform(0, SIDE - 110, (count, 2))
    sides = generator.choice([12.0, 60.0, 105.0], (count, 2)) * generator.uniform(
        0.9, 1, (count, 2)
    )
    return np.concatenate((corners, sides), axis=1)


@pytest.fixture
def dataset(tmp_path):
    """(name, annotation file, images): objects of three classes, each with a box as its mask."""
    generator = np.random.default_rng(0)
    images = [{"id": i, "height": SIDE, "width": SIDE, "file_name": f"{i}.jpg"} for i in range(8)]
    annotations = []
    for image in images:
        image |= {"neg_category_ids": [], "not_exhaustive_category_ids": [], "coco_url": ""}
        for x, y, w, h in random_boxes(generator, 4).tolist():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": int(generator.choice(CATEGORY_IDS)),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
    categories = [
        {"id": id, "name": f"c{id}", "frequency": letter, "synonyms": [f"c{id}"]}
        for id, letter in zip(CATEGORY_IDS, "rcf", strict=True)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    MetadataCatalog.get("boxes").set(
        json_file=str(path),
        thing_classes=[category["name"] for category in categories],
        thing_dataset_id_to_contiguous_id={id: i for i, id in enumerate(CATEGORY_IDS)},
    )
    yield "boxes", path, content
    MetadataCatalog.pop("boxes")


def detections_near(content):
    """Yield (image, Instances): the objects of an image, moved and with scores, and some others."""
    generator = np.random.default_rng(1)
    for image in content["images"]:
        own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        boxes = np.array([a["bbox"] for a in own]) + generator.normal(0, 3, (len(own), 4))
        boxes = np.concatenate((boxes, random_boxes(generator, 3)))
        classes = [CATEGORY_IDS.index(a["category_id"]) for a in own] + [0, 1, 2]
        xyxy = BoxMode.convert(boxes, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS).clip(0, SIDE)
        masks = torch.zeros(len(xyxy), SIDE, SIDE, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, xyxy.round().astype(int), strict=True):
            mask[y0:y1, x0:x1] = True
        instances = Instances((SIDE, SIDE), pred_boxes=Boxes(xyxy), pred_masks=masks)
        instances.scores = torch.from_numpy(generator.random(len(xyxy)))
        instances.pred_classes = torch.tensor(classes)
        yield {"image_id": image["id"]}, instances


def evaluate(evaluator, content):
    """Return the results, and the detections as rows with category ids."""
    rows = []
    for image, instances in detections_near(content):
        evaluator.process([image], [{"instances": instances}])
        rows += instances_to_coco_json(instances, image["image_id"])
    rows = [row | {"category_id": CATEGORY_IDS[row["category_id"]]} for row in rows]
    return evaluator.evaluate(), rows


def without_boxes(rows):
    return [{key: value for key, value in row.items() if key != "bbox"} for row in rows]


def test_coco_results_are_those_of_pycocotools(dataset):
    name, path, content = dataset
    results, rows = evaluate(COCOEvaluator(name), content)
    for task in ("bbox", "segm"):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(path))
            found = truth.loadRes(rows if task == "bbox" else without_boxes(rows))
            reference = COCOeval(truth, found, task)
            for step in (reference.evaluate, reference.accumulate, reference.summarize):
                step()
        names = ("AP", "AP50", "AP75", "APs", "APm", "APl")
        expected = 100 * reference.stats[:6]
        assert [results[task][n] for n in names] == pytest.approx(expected, abs=1e-6)
        of_classes = reference.eval["precision"][:, :, :, 0, 2].mean(axis=(0, 1)) * 100
        assert [results[task][f"AP-c{id}"] for id in CATEGORY_IDS] == pytest.approx(of_classes)


def test_lvis_results_are_those_of_the_lvis_api(dataset, monkeypatch):
    monkeypatch.setattr(np, "float", float, raising=False)  # a name of old numpy
    name, path, content = dataset
    results, rows = evaluate(LVISEvaluator(name, max_dets_per_image=6), content)
    for task in ("bbox", "segm"):
        truth = LVIS(str(path))
        given = rows if task == "bbox" else without_boxes(rows)
        reference = LVISEval(truth, LVISResults(truth, given, max_dets=6), task)
        reference.run()
        expected = reference.get_results()
        for metric, value in results[task].items():
            assert value == pytest.approx(100 * expected[metric], abs=1e-6), (task, metric)
        assert {"AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf"} == set(
            results[task]
        )


def test_a_limit_of_detections_lowers_the_result(dataset):
    name, _, content = dataset
    one, _ = evaluate(COCOEvaluator(name, ("bbox",), max_dets_per_image=1), content)
    all_, _ = evaluate(COCOEvaluator(name, ("bbox",)), content)
    assert one["bbox"]["AP"] < all_["bbox"]["AP"]


def test_predictions_are_written(dataset, tmp_path):
    name, _, content = dataset
    _, rows = evaluate(COCOEvaluator(name, output_dir=str(tmp_path / "out")), content)
    written = json.loads((tmp_path / "out" / "coco_instances_results.json").read_text())
    assert written == rows


@pytest.mark.parametrize("kind", [COCOEvaluator, LVISEvaluator])
def test_without_detections_results_are_undefined(kind, dataset):
    name, _, _ = dataset
    evaluator = kind(name)
    nothing = Instances((SIDE, SIDE), scores=torch.zeros(0))
    evaluator.process([{"image_id": 0}], [{"instances": nothing}])
    assert np.isnan(evaluator.evaluate()["bbox"]["AP"])
    evaluator.reset()
    assert evaluator.evaluate() == {}


def test_datasets_without_a_file_get_one(tmp_path):
    box = {"bbox": [0, 0, 10, 10], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0}
    record = {"file_name": "a.jpg", "image_id": 5, "height": 20, "width": 20, "annotations": [box]}
    DatasetCatalog.register("pets", lambda: [record])
    MetadataCatalog.get("pets").thing_classes = ["cat"]
    try:
        with pytest.raises(ValueError, match="needs an output_dir"):
            COCOEvaluator("pets")
        evaluator = COCOEvaluator("pets", output_dir=str(tmp_path))
        found = Instances((20, 20), pred_boxes=Boxes([[0, 0, 10, 10]]), scores=torch.ones(1))
        found.pred_classes = torch.zeros(1, dtype=torch.int64)
        evaluator.process([record], [{"instances": found}])
        assert evaluator.evaluate()["bbox"]["AP"] == pytest.approx(100)
    finally:
        DatasetCatalog.remove("pets")
        MetadataCatalog.remove("pets")


def test_keypoints_are_refused(dataset):
    with pytest.raises(ValueError, match="choose from bbox and segm"):
        COCOEvaluator(dataset[0], ("keypoints",))
