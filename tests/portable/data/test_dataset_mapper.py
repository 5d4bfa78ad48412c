"""DatasetMapper."""

import copy

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetMapper
from detectron2.data import transforms as T
from detectron2.structures import BoxMode


@pytest.fixture
def record(image_file):
    box = {"bbox": [10, 20, 30, 10], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 2}
    polygon = [[12.0, 20, 40, 20, 40, 30, 12, 30]]
    crowd = box | {"iscrowd": 1, "category_id": 3}
    empty = box | {"bbox": [10, 20, 0, 10]}
    annotations = [a | {"segmentation": polygon} for a in (box, crowd, empty)]
    return {"file_name": image_file, "height": 40, "width": 60, "annotations": annotations}


def mapper(is_train=True, **options):
    options = {
        "augmentations": [T.ResizeTransform(40, 60, 80, 120)],
        "image_format": "BGR",
    } | options
    return DatasetMapper(is_train, **options)


def test_a_record_becomes_a_model_input(record, image):
    before = copy.deepcopy(record)
    mapped = mapper(augmentations=[])(record)
    assert record == before
    assert mapped["image"].shape == (3, 40, 60)
    assert mapped["image"].dtype == torch.uint8
    np.testing.assert_array_equal(mapped["image"].numpy(), image[:, :, ::-1].transpose(2, 0, 1))
    assert sorted(mapped) == ["file_name", "height", "image", "instances", "width"]


def test_annotations_follow_the_image_without_crowds_and_empty_boxes(record):
    instances = mapper()(record)["instances"]
    assert instances.image_size == (80, 120)
    assert instances.gt_boxes.tensor.tolist() == [[20, 40, 80, 60]]
    assert instances.gt_classes.tolist() == [2]
    assert not instances.has("gt_masks")


def test_masks_are_kept_on_demand_and_give_boxes(record):
    masked = mapper(use_instance_mask=True, recompute_boxes=True)(record)["instances"]
    assert masked.gt_boxes.tensor[0].tolist() == [24, 40, 80, 60]
    np.testing.assert_array_equal(masked.gt_masks.polygons[0][0][:4], [24, 40, 80, 40])


def test_boxes_are_as_annotated_unless_recomputed(record):
    masked = mapper(use_instance_mask=True)(record)["instances"]
    assert masked.gt_boxes.tensor.tolist() == [[20, 40, 80, 60]]
    record["annotations"] = record["annotations"][1:2]  # nothing but a crowd
    nothing = mapper(use_instance_mask=True, recompute_boxes=True)(record)["instances"]
    assert len(nothing) == 0


def test_inference_needs_no_annotations(record):
    mapped = mapper(is_train=False)(record)
    assert "annotations" not in mapped
    assert "instances" not in mapped
    assert mapped["image"].shape == (3, 80, 120)
    assert (mapped["height"], mapped["width"]) == (40, 60)


def test_flipped_and_grey_images_make_writable_tensors(record):
    flip = mapper(augmentations=[T.HFlipTransform(60)], image_format="L")
    flip(record)["image"].zero_()


def test_mapper_of_a_config():
    cfg = get_cfg()
    cfg.INPUT.CROP.ENABLED = True
    cfg.MODEL.MASK_ON = True
    train, test = DatasetMapper(cfg, True), DatasetMapper(cfg, is_train=False)
    kinds = [type(aug) for aug in train.augmentations.augs]
    assert kinds == [T.RandomCrop, T.ResizeShortestEdge, T.RandomFlip]
    assert train.use_instance_mask
    assert train.recompute_boxes
    assert train.image_format == "BGR"
    assert [type(aug) for aug in test.augmentations.augs] == [T.ResizeShortestEdge]
    assert not test.is_train
    assert not test.recompute_boxes
