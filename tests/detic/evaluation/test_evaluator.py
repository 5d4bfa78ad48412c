"""Whole passes of an evaluator over a small registered dataset."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances

from detic.errors import InputError
from detic.evaluation import build_evaluator
from detic.evaluation.evaluator import instance_rows
from detic.transfer import send_instances
from tests.detic.evaluation.conftest import annotation
from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

HERE, THERE = (10, 10, 30, 30), (60, 60, 30, 20)


@pytest.fixture
def register(tmp_path, write):
    """Register a dataset of two 100 x 100 images, with classes of the ids 3, 5, 8."""
    registered = []

    def register(name, evaluator_type="lvis", annotations=None, **metadata):
        for number in (1, 2):
            image = np.full((100, 100, 3), 40 * number, dtype=np.uint8)
            cv2.imwrite(str(tmp_path / f"{number}.jpg"), image)
        content = {
            "images": [
                {
                    "id": number,
                    "height": 100,
                    "width": 100,
                    "file_name": f"{number}.jpg",
                    "neg_category_ids": [8],
                    "pos_category_ids": [3, 5],
                    "not_exhaustive_category_ids": [],
                }
                for number in (1, 2)
            ],
            "annotations": annotations
            or [annotation(1, 1, 3, HERE), annotation(2, 1, 5, THERE), annotation(3, 2, 3, HERE)],
            "categories": [
                {"id": number, "name": f"class {number}", "frequency": "f", "image_count": number}
                for number in (3, 5, 8)
            ],
        }
        records = [
            {"image_id": number, "file_name": str(tmp_path / f"{number}.jpg")} for number in (1, 2)
        ]
        DatasetCatalog.register(name, lambda: records)
        registered.append(name)
        path = str(write(f"{name}.json", content))
        MetadataCatalog.get(name).set(json_file=path, evaluator_type=evaluator_type, **metadata)

    yield register
    for name in registered:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def found(*objects):
    """Return what a model found, from (class index, XYWH box, score)."""
    instances = Instances((100, 100))
    boxes = torch.tensor([box for _, box, _ in objects], dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    masks = torch.zeros(len(objects), 100, 100, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    instances.pred_boxes = Boxes(boxes)
    instances.pred_classes = torch.tensor([index for index, _, _ in objects], dtype=torch.int64)
    instances.scores = torch.tensor([score for _, _, score in objects])
    instances.pred_masks = masks
    return [{"instances": instances}]


def run(evaluator):
    """Run a pass: class 3 is found in both images, class 5 is taken for class 8."""
    evaluator.reset()
    evaluator.process([{"image_id": 2}], found((0, HERE, 0.9)))
    evaluator.process([{"image_id": 1}], found((2, THERE, 0.8), (0, HERE, 0.7)))
    return evaluator.evaluate()


def test_lvis_pass_writes_results_classes_and_report(register, tmp_path):
    register("pets_lvis")
    output = tmp_path / "output"
    results = run(build_evaluator("pets_lvis", output, fixed_ap=True))
    assert list(results) == ["bbox", "segm", "bbox_fixed", "segm_fixed"]
    assert all(metrics["AP"] == pytest.approx(50) for metrics in results.values())
    written = json.loads((output / "results.json").read_text())["pets_lvis"]
    assert written["segm"]["AP"] == results["segm"]["AP"]
    assert written["segm"]["APr"] is None
    with open(output / "per_class.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "name": "class 3",
        "frequency": "frequent",
        "bbox/AP": "100.0000",
        "segm/AP": "100.0000",
        "bbox_fixed/AP": "100.0000",
        "segm_fixed/AP": "100.0000",
        "num_gt": "2",
    }
    assert [row["segm/AP"] for row in rows] == ["100.0000", "0.0000", ""]
    assert len(json.loads((output / "lvis_instances_results.json").read_text())) == 3
    assert "class 8 0.80" in (output / "report.html").read_text()  # what class 5 was taken for


@needs_stand_in
def test_detections_on_a_device_are_written_down_alike_behind_the_next_image(register, tmp_path):
    register("pets_device")
    files = [tmp_path / place / "lvis_instances_results.json" for place in ("cpu", "device")]
    run(build_evaluator("pets_device", files[0].parent, report=False))
    evaluator = build_evaluator("pets_device", files[1].parent, report=False)
    with StandInDevice() as device:
        evaluator.reset()
        for image_id, objects in ((2, [(0, HERE, 0.9)]), (1, [(2, THERE, 0.8), (0, HERE, 0.7)])):
            (output,) = found(*objects)
            there = {"instances": send_instances(output["instances"], DEVICE)}
            device.waits.clear()
            evaluator.process([{"image_id": image_id}], [there])
            assert device.waits.total() == 0
        evaluator.evaluate()
    assert files[1].read_text() == files[0].read_text()


def test_coco_pass_names_classes(register, tmp_path):
    register("pets_coco", "coco")
    results = run(build_evaluator("pets_coco", tmp_path, tasks=["bbox"], report=False))
    assert results["bbox"]["AP-class 3"] == pytest.approx(100)
    assert results["bbox"]["AP-class 5"] == 0
    assert not (tmp_path / "report.html").exists()


def test_open_images_pass_writes_the_class_array(register, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    register("pets_oid", "oid")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "nowhere"))
    evaluator = build_evaluator("pets_oid", tmp_path, tasks=["bbox"])
    assert run(evaluator) == {"bbox": {"AP50": pytest.approx(0.5)}}
    np.testing.assert_allclose(np.load(tmp_path / "oid_mAP.npy"), [1, 0, -1])
    assert "detic data check oid_val_expanded` tells where to get it; AP50_expand is" in caplog.text
    assert "50.00" in caplog.text  # the table is in percent


def test_a_hierarchy_that_was_asked_for_must_exist(register, tmp_path):
    register("pets_tree", "oid")
    with pytest.raises(
        InputError, match=r"class hierarchy none\.json not found; `detic data check"
    ):
        build_evaluator("pets_tree", tmp_path, tasks=["bbox"], hierarchy_file="none.json")


def test_metadata_decide_which_class_is_which(register, tmp_path):
    index_of = {3: 2, 5: 1, 8: 0}
    register("pets_mapped", thing_dataset_id_to_contiguous_id=index_of)
    evaluator = build_evaluator("pets_mapped", tmp_path, tasks=["bbox"], report=False)
    evaluator.reset()
    evaluator.process([{"image_id": 2}], found((2, HERE, 0.9)))
    evaluator.evaluate()
    rows = json.loads((tmp_path / "lvis_instances_results.json").read_text())
    assert rows[0]["category_id"] == 3


def test_detections_of_classes_that_the_dataset_lacks_do_not_count(register, tmp_path):
    names = ["class 5", "elk", "class 3", "gull"]
    index_of = {3: 2, 5: 0}
    register("pets_among", thing_dataset_id_to_contiguous_id=index_of, thing_classes=names)
    evaluator = build_evaluator("pets_among", tmp_path, report=False)
    evaluator.reset()
    evaluator.process([{"image_id": 2}], found((3, THERE, 0.95), (2, HERE, 0.9), (1, HERE, 0.8)))
    evaluator.evaluate()
    rows = json.loads((tmp_path / "lvis_instances_results.json").read_text())
    assert [(row["category_id"], row["score"]) for row in rows] == [(3, pytest.approx(0.9))]


def test_resumed_pass_equals_one_that_was_not_interrupted(register, tmp_path):
    register("pets_resumed")
    whole = run(build_evaluator("pets_resumed", tmp_path / "whole", report=False))
    interrupted = build_evaluator("pets_resumed", tmp_path / "parts", report=False)
    interrupted.reset()
    interrupted.process([{"image_id": 2}], found((0, HERE, 0.9)))
    resumed = build_evaluator("pets_resumed", tmp_path / "parts", resume=True, report=False)
    assert resumed.finished_image_ids() == {2}
    resumed.reset()
    resumed.process([{"image_id": 1}], found((2, THERE, 0.8), (0, HERE, 0.7)))
    assert resumed.evaluate()["segm"] == pytest.approx(whole["segm"], nan_ok=True)


def test_a_pass_that_finds_nothing_scores_zero_and_warns(register, tmp_path, caplog):
    register("pets_nothing")
    evaluator = build_evaluator("pets_nothing", tmp_path)
    evaluator.reset()
    evaluator.process([{"image_id": 1}], found())
    assert evaluator.evaluate()["bbox"]["AP"] == 0
    assert "the model detected nothing in any image of pets_nothing" in caplog.text


def test_open_vocabulary_coco_is_chosen_by_its_name(register, tmp_path, monkeypatch):
    monkeypatch.setattr("detic.evaluation.evaluation_set.OPEN_VOCABULARY_COCO", "pets_split")
    split = {"seen": ["class 3"], "unseen": ["class 5"]}
    monkeypatch.setattr("detic.evaluation.build.zeroshot_split", lambda: split)
    register("pets_split", "coco")
    metrics = run(build_evaluator("pets_split", tmp_path, tasks=["bbox"]))["bbox"]
    assert metrics["AP50-seen"] == pytest.approx(100)
    assert metrics["AP50-unseen"] == 0
    assert metrics["AP50-all"] == pytest.approx(50)


def test_any_dataset_can_be_forced_to_lvis(register, tmp_path):
    register("pets_forced", "coco")
    results = run(build_evaluator("pets_forced", tmp_path, force_lvis=True, report=False))
    assert "APf" in results["bbox"]


@pytest.mark.parametrize(
    ("evaluator_type", "options", "message"),
    [
        ("imagenet", {}, "'pets_bad' has labels of whole images and no boxes"),
        ("lvsi", {}, "unknown evaluator_type 'lvsi'; choose lvis, coco or oid"),
        (None, {}, "its metadata need 'evaluator_type'"),
        ("lvis", {"tasks": ["box"]}, "unknown task 'box'; choose bbox or segm"),
        ("lvis", {"tasks": []}, "no task to evaluate on 'pets_bad'; choose bbox, segm or both"),
        ("coco", {"fixed_ap": True}, "fixed AP is defined for LVIS, and dataset 'pets_bad' is"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(register, tmp_path, evaluator_type, options, message):
    register("pets_bad", evaluator_type)
    with pytest.raises(InputError, match=message):
        build_evaluator("pets_bad", tmp_path, **options)


def test_unknown_dataset_is_refused(register, tmp_path):
    register("pets_known")
    with pytest.raises(
        InputError, match=r"unknown dataset 'pets_knwon'.*did you mean 'pets_known'"
    ):
        build_evaluator("pets_knwon", tmp_path)


def test_missing_annotations_are_found_out_before_the_pass(register, tmp_path):
    register("pets_gone")
    (tmp_path / "pets_gone.json").unlink()
    with pytest.raises(InputError, match=r"annotation file .*pets_gone\.json not found"):
        build_evaluator("pets_gone", tmp_path)


def instances_of(classes, masks=None):
    instances = Instances((4, 6))
    instances.pred_boxes = Boxes(torch.tensor([[1.0, 1.0, 4.0, 3.0]]).repeat(len(classes), 1))
    instances.scores = torch.full((len(classes),), 0.5)
    instances.pred_classes = torch.tensor(classes)
    if masks is not None:
        instances.pred_masks = masks
    return instances


def test_instances_become_rows_with_the_masks_that_are_wanted():
    masks = torch.ones(2, 4, 6, dtype=torch.bool)
    rows = instance_rows("a", instances_of([1, 0], masks), [10, None], with_masks=True)
    assert rows.mask_areas == [24]
    (row,) = instance_rows("a", instances_of([1, 0], masks), [None, 30], with_masks=False)
    assert row == {"image_id": "a", "category_id": 30, "bbox": [1, 1, 3, 2], "score": 0.5}


def test_class_that_the_dataset_lacks_is_refused():
    with pytest.raises(InputError, match=r"class number 2, but the dataset has the classes 0 to 1"):
        instance_rows(1, instances_of([0, 2]), [10, 30], with_masks=False)


def test_model_without_masks_is_refused_for_masks():
    with pytest.raises(InputError, match=r"gives no masks, .* MODEL\.MASK_ON True"):
        instance_rows(1, instances_of([0]), [10], with_masks=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_detections_on_a_gpu_are_those_on_the_cpu():
    masks = torch.ones(1, 4, 6, dtype=torch.bool)
    expected = instance_rows(1, instances_of([0], masks), [1], with_masks=True)
    assert instance_rows(1, instances_of([0], masks).to("cuda"), [1], with_masks=True) == expected
