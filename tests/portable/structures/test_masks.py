"""Bitmaps and polygons of instances."""

import numpy as np
import pytest
import torch
from detectron2.structures import BitMasks, PolygonMasks, ROIMasks, polygons_to_bitmask
from detectron2.structures._chosen_polygons import crop_and_resize_all

from tests.stand_in_device import DEVICE, StandInDevice, needs_stand_in

SQUARE = [2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0]  # pixels 2-5 in both directions
TRIANGLE = [0.0, 0.0, 4.0, 0.0, 0.0, 4.0]


def test_bitmap_of_a_square():
    bitmap = polygons_to_bitmask([np.array(SQUARE)], 8, 10)
    assert bitmap.shape == (8, 10)
    assert bitmap.dtype == bool
    assert bitmap.sum() == 16
    assert bitmap[2:6, 2:6].all()


def test_bitmap_of_no_polygon_is_empty():
    assert not polygons_to_bitmask([], 3, 3).any()


def test_polygons_of_one_instance_are_united():
    shifted = np.array(SQUARE) + 2
    assert polygons_to_bitmask([np.array(SQUARE), shifted], 10, 10).sum() == 16 + 16 - 4


def test_bounding_box_of_polygons():
    masks = PolygonMasks([[SQUARE, TRIANGLE], []])
    assert masks.get_bounding_boxes().tensor.tolist() == [[0, 0, 6, 6], [0, 0, 0, 0]]
    assert masks.nonempty().tolist() == [True, False]


def test_bounding_box_of_bitmaps_ends_after_the_last_pixel():
    masks = BitMasks(np.stack([polygons_to_bitmask(p, 8, 8) for p in ([SQUARE], [])]))
    assert masks.get_bounding_boxes().tensor.tolist() == [[2, 2, 6, 6], [0, 0, 0, 0]]
    assert masks.nonempty().tolist() == [True, False]


@pytest.mark.parametrize("kind", ["polygons", "bitmaps"])
def test_crop_and_resize_stretches_the_box(kind):
    masks = PolygonMasks([[SQUARE]])
    if kind == "bitmaps":
        masks = BitMasks(polygons_to_bitmask([SQUARE], 12, 12)[None])
    target = masks.crop_and_resize(torch.tensor([[0.0, 2.0, 8.0, 6.0]]), 8)
    assert target.dtype == torch.bool
    assert target.shape == (1, 8, 8)
    assert target[0, :, 2:6].all()
    assert target.sum() == 32


def test_crop_and_resize_of_a_box_without_extent_is_finite():
    target = PolygonMasks([[SQUARE]]).crop_and_resize(torch.tensor([[3.0, 3.0, 3.0, 3.0]]), 4)
    assert target.all()


def test_masks_of_several_instances_are_drawn_each_in_its_box():
    polygons = [[SQUARE], [], [TRIANGLE, SQUARE], [TRIANGLE]]
    boxes = torch.tensor([[0, 0, 8, 8], [0, 0, 4, 4], [1, 1, 7, 5], [0.5, 0, 3, 3]])
    together = PolygonMasks(polygons).crop_and_resize(boxes, 9)
    for of_instance, box, mask in zip(polygons, boxes, together, strict=True):
        expected = np.zeros((9, 9), dtype=bool)
        scale = 9 / (box[2:] - box[:2]).double().numpy()
        for polygon in of_instance:
            local = (np.array(polygon).reshape(-1, 2) - box[:2].double().numpy()) * scale
            expected |= polygons_to_bitmask([local.reshape(-1)], 9, 9)
        assert np.array_equal(mask.numpy(), expected)


def test_crop_and_resize_of_nothing():
    assert PolygonMasks([]).crop_and_resize(torch.zeros(0, 4), 7).shape == (0, 7, 7)
    assert BitMasks(torch.zeros(0, 5, 5)).crop_and_resize(torch.zeros(0, 4), 7).shape == (0, 7, 7)


def test_indexing_and_cat():
    masks = PolygonMasks([[SQUARE], [TRIANGLE], [SQUARE, TRIANGLE]])
    assert len(masks[0]) == 1
    assert [len(instance) for instance in masks[torch.tensor([2, 0])].polygons] == [2, 1]
    assert len(masks[torch.tensor([False, True, True])]) == 2
    assert len(masks[torch.zeros(0, dtype=torch.int64)]) == 0
    assert len(PolygonMasks.cat([masks, masks[1:]])) == 5
    bitmaps = BitMasks(torch.eye(3)[None].repeat(3, 1, 1))
    assert bitmaps[0].tensor.shape == (1, 3, 3)
    assert len(BitMasks.cat([bitmaps, bitmaps[:1]])) == 4


def test_malformed_polygons_are_refused():
    with pytest.raises(ValueError, match="flat list x0, y0, x1, y1"):
        PolygonMasks([[[0, 0, 1, 1]]])


def test_bitmaps_must_have_three_dimensions():
    with pytest.raises(ValueError, match=r"shape \(N, H, W\), got \(3, 3\)"):
        BitMasks(torch.zeros(3, 3))


def test_bitmaps_of_polygons():
    polygons = PolygonMasks([[SQUARE], []])
    masks = BitMasks.from_polygon_masks(polygons, 8, 10)
    assert masks.tensor.shape == (2, 8, 10)
    assert [int(mask.sum()) for mask in masks] == [16, 0]
    assert torch.equal(masks.tensor, BitMasks.from_polygon_masks(polygons.polygons, 8, 10).tensor)
    assert len(BitMasks.from_polygon_masks([], 8, 10)) == 0


def test_areas_of_polygons():
    assert PolygonMasks([[SQUARE], [SQUARE, TRIANGLE], []]).area().tolist() == [16, 24, 0]
    assert [len(polygons) for polygons in PolygonMasks([[SQUARE], [SQUARE, TRIANGLE]])] == [1, 2]


def test_masks_of_regions_fill_their_boxes():
    masks = ROIMasks(torch.ones(2, 4, 4))[:1]
    pasted = masks.to_bitmasks(torch.tensor([[2.0, 2.0, 6.0, 6.0]]), 8, 8)
    assert torch.equal(pasted.tensor, BitMasks.from_polygon_masks([[SQUARE]], 8, 8).tensor)
    with pytest.raises(ValueError, match=r"expected masks of shape \(N, S, S\)"):
        ROIMasks(torch.ones(4, 4))


@needs_stand_in
def test_rows_chosen_on_a_device_are_looked_up_once_for_all_images():
    masks = [PolygonMasks([[SQUARE], [TRIANGLE], []]), PolygonMasks([[TRIANGLE], [SQUARE]])]
    boxes = [torch.tensor([[0.0, 2.0, 8.0, 6.0], [0.0, 0.0, 4.0, 4.0]]), torch.zeros(1, 4)]
    expected = crop_and_resize_all([masks[0][[0, 1]], masks[1][[1]]], boxes, 8)
    with StandInDevice() as device:
        rows = torch.tensor([2, 1, 0], device=DEVICE), torch.tensor([1], device=DEVICE)
        chosen = [m[r] for m, r in zip(masks, rows, strict=True)]
        chosen[0] = chosen[0][torch.tensor([2, 1], device=DEVICE)]
        assert [len(m) for m in chosen] == [2, 1]
        there = [b.to(DEVICE) for b in boxes]
        device.waits.clear()
        targets = crop_and_resize_all(chosen, there, 8)
        assert device.waits.total() == 1
        assert torch.equal(targets.cpu(), expected)
        assert len(chosen[1].polygons) == 1
