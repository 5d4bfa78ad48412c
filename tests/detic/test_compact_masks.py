import pickle

import numpy as np
import pytest
from hotcoco import mask as rle

from detic import compact_masks
from detic.compact_masks import (
    CompactMasks,
    joined_masks,
    mask_areas,
    mask_window,
    paste_in_parts,
)
from detic.detections import Detections
from detic.result_rows import encoded_masks

SIZE_HW = (12, 9)


@pytest.fixture
def masks():
    """Blobs, single pixels, whole columns, everything, nothing."""
    rng = np.random.default_rng(0)
    masks = np.zeros((8, *SIZE_HW), bool)
    masks[0, 3:7, 2:5] = rng.random((4, 3)) < 0.5
    masks[1, 5, 5] = True
    masks[2, :, 3:6] = True  # one run over three columns
    masks[3] = True
    masks[5] = rng.random(SIZE_HW) < 0.3
    masks[6, 0, 0] = masks[6, -1, -1] = True
    masks[7, 4:, 1] = masks[7, :3, 2] = True  # a run from the bottom to the top of the next column
    return masks


def test_they_read_like_the_array(masks):
    compact = CompactMasks.of(masks, SIZE_HW)
    assert (compact.shape, compact.dtype, len(compact)) == (masks.shape, masks.dtype, 8)
    np.testing.assert_array_equal(np.asarray(compact), masks)
    np.testing.assert_array_equal(compact[5], masks[5])
    np.testing.assert_array_equal(np.array(list(compact)), masks)
    assert compact.areas.tolist() == masks.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize("rows", [slice(2, 5), [6, 0], np.array([True] * 3 + [False] * 5), []])
def test_rows_are_chosen_like_those_of_the_array(masks, rows):
    chosen = CompactMasks.of(masks, SIZE_HW)[rows]
    assert isinstance(chosen, CompactMasks)
    np.testing.assert_array_equal(np.asarray(chosen), masks[rows])


def test_run_lengths_are_cocos(masks):
    assert CompactMasks.of(masks, SIZE_HW).run_lengths() == encoded_masks(masks)
    assert encoded_masks(CompactMasks.of(masks, SIZE_HW)) == encoded_masks(masks)


def test_run_lengths_of_huge_images_need_no_whole_mask():
    compact = CompactMasks.of(np.ones((1, 2, 3), bool), (40_000, 60_000), offset_xy=(5, 7))
    (coded,) = compact.run_lengths()
    assert coded["size"] == [40_000, 60_000]
    assert rle.area(coded) == 6
    assert rle.to_bbox(coded).tolist() == [5, 7, 3, 2]


def test_masks_of_parts_lie_at_their_offsets(masks):
    large = (30, 40)
    expected = np.zeros((8, *large), bool)
    expected[:, 10:22, 20:29] = masks
    parts = [CompactMasks.of(half, large, offset_xy=(20, 10)) for half in (masks[:3], masks[3:])]
    np.testing.assert_array_equal(np.asarray(joined_masks(parts, large)), expected)


def test_union_has_the_pixels_of_all(masks):
    compact = CompactMasks.of(masks, SIZE_HW)
    union = CompactMasks([compact.union([0, 1, 4, 6])], SIZE_HW)
    np.testing.assert_array_equal(union[0], masks[[0, 1, 4, 6]].any(axis=0))
    assert CompactMasks([compact.union([4])], SIZE_HW).areas.tolist() == [0]


def test_windows_are_tight(masks):
    for kind in (masks, CompactMasks.of(masks, SIZE_HW)):
        window = mask_window(kind, 2)
        assert (window.x, window.y, window.pixels.shape) == (3, 0, (12, 3))
        assert mask_window(kind, 4).pixels.size == 0


@pytest.mark.parametrize("at_once", [1, 3])
def test_large_masks_are_pasted_a_few_at_a_time(masks, at_once, monkeypatch):
    pasted = []

    def paste(cells, boxes, size_hw):
        pasted.append(len(cells))
        return masks[cells]

    rows = list(range(8))
    assert isinstance(paste_in_parts(paste, rows, rows, SIZE_HW), np.ndarray)
    monkeypatch.setattr(compact_masks, "MAX_ARRAY_BYTES", at_once * masks[0].nbytes)
    compact = paste_in_parts(paste, rows, rows, SIZE_HW)
    assert isinstance(compact, CompactMasks)
    assert (sum(pasted), max(pasted[1:])) == (16, at_once)
    np.testing.assert_array_equal(np.asarray(compact), masks)
    assert compact.nbytes < masks.nbytes / 8


@pytest.fixture
def found(masks):
    return Detections(
        boxes_xyxy=np.zeros((8, 4), np.float32),
        scores=np.full(8, 0.5, np.float32),
        labels=np.zeros(8, int),
        names=np.full(8, "blob"),
        image_size_hw=SIZE_HW,
        masks=CompactMasks.of(masks, SIZE_HW),
    )


def test_detections_carry_them(masks, found):
    again = pickle.loads(pickle.dumps(found))
    assert isinstance(again.masks, CompactMasks)
    np.testing.assert_array_equal(np.asarray(again[2:4].masks), masks[2:4])
    np.testing.assert_array_equal(list(found)[5].mask, masks[5])
    assert mask_areas(again.masks).tolist() == mask_areas(masks).tolist()


def test_supervision_takes_them_as_they_are(masks, found):
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    converted = found.to_supervision().mask
    assert type(converted) is getattr(sv, "CompactMask", np.ndarray)
    np.testing.assert_array_equal(np.asarray(converted), masks)
