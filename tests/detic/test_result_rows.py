"""Rows of COCO's result format, and that the masks in them are pycocotools'."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hotcoco import mask as rle
from pycocotools import mask as coco_mask

from detic.detections import Detections
from detic.result_rows import encoded_masks, result_rows


@pytest.fixture
def two():
    return Detections(
        boxes_xyxy=np.array([[1, 1, 4, 3], [0.12345, 0, 1000.6789, 2]], np.float32),
        scores=np.array([0.5, 1 / 3], np.float32),
        labels=np.array([1, 0]),
        names=np.array(["b", "a"]),
        image_size_hw=(4, 6),
        masks=np.arange(48).reshape(2, 4, 6) % 5 == 0,
    )


def test_rows_have_category_ids_and_the_numbers_of_the_model(two):
    x0, _, x1, _ = two.boxes_xyxy[1]
    assert list(result_rows("a", replace(two, masks=None), [10, 30])) == [
        {"image_id": "a", "category_id": 30, "bbox": [1, 1, 3, 2], "score": 0.5},
        {
            "image_id": "a",
            "category_id": 10,
            "bbox": [float(x0), 0, float(x1 - x0), 2],
            "score": float(np.float32(1 / 3)),
        },
    ]


def test_rounded_rows_have_thousandths_of_pixels_and_millionths_of_scores(two):
    _, row = result_rows(7, two, [10, 30], rounded=True)
    assert row["bbox"] == [0.123, 0, 1000.555, 2]
    assert row["score"] == 0.333333


def test_detections_without_a_category_are_left_out(two):
    rows = result_rows(7, two, [None, 30])
    assert rows.category_ids == [30]
    assert len(rows.masks) == len(rows.boxes_xywh) == len(rows) == 1


def test_masks_are_run_lengths_by_columns(two):
    rows = result_rows(7, two, [10, 30])
    for row, mask, area in zip(rows, two.masks, rows.mask_areas, strict=True):
        assert row["segmentation"]["size"] == [4, 6]
        np.testing.assert_array_equal(coco_mask.decode(row["segmentation"]), mask)
        assert area == mask.sum()


def test_masks_are_encoded_one_by_one():
    masks = np.zeros((16, 300, 200), bool)
    encoded_masks(masks[:1])  # what is imported for it is no memory of masks
    tracemalloc.start()
    try:
        encoded_masks(masks)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * masks[0].nbytes


def test_an_image_without_detections_has_no_rows(two):
    rows = result_rows(7, two[[]], [10, 30])
    assert list(rows) == rows.mask_areas == []


def counts(mask):
    return mask["counts"] if isinstance(mask["counts"], bytes) else mask["counts"].encode()


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((3, *rng.integers(1, 50, 2))) < rng.choice([0, 0.05, 0.5, 1])
    height, width = masks.shape[1:]
    theirs = coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8))
    ours = encoded_masks(masks)
    assert list(map(counts, ours)) == list(map(counts, theirs))
    assert [rle.area(mask) for mask in ours] == coco_mask.area(theirs).tolist()
    for mask, other, pixels in zip(ours, theirs, masks, strict=True):
        np.testing.assert_array_equal(rle.decode(mask), pixels)
        np.testing.assert_array_equal(rle.to_bbox(mask), coco_mask.toBbox(other))
    polygons = (rng.random((2, 10)) * np.tile([width, height], 5) * 1.4 - 2).tolist()
    drawn = rle.frPyObjects(polygons, height, width)
    others = coco_mask.frPyObjects(polygons, height, width)
    assert list(map(counts, drawn)) == list(map(counts, others))
    assert counts(rle.merge(drawn)) == counts(coco_mask.merge(others))
    for is_crowd in (False, True):
        expected = coco_mask.iou(theirs, others, [is_crowd] * 2)
        np.testing.assert_array_equal(rle.iou(ours, drawn, [is_crowd] * 2), expected)
        boxes = rng.random((2, 3, 4)) * 50
        expected = coco_mask.iou(*boxes, [is_crowd] * 3)
        np.testing.assert_array_equal(rle.bbox_iou(*boxes, [is_crowd] * 3), expected)
