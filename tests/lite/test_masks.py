import numpy as np
import pytest
import torch
from detectron2.layers import paste_masks_in_image

from detic.result_rows import encoded_masks as expected_encoding
from detic_lite.masks import encoded_masks, paste_masks

SIZE_HW = (70, 90)


def test_masks_are_pasted_as_the_detector_pastes_them():
    generator = np.random.default_rng(0)
    coarse = torch.from_numpy(generator.random((40, 1, 5, 5), dtype=np.float32))
    masks = torch.nn.functional.interpolate(coarse, size=(28, 28), mode="bilinear")[:, 0]
    corners = generator.uniform(0, 70, (40, 2, 2))
    boxes = np.sort(corners, axis=1).reshape(40, 4).astype(np.float32)
    expected = paste_masks_in_image(masks, torch.from_numpy(boxes), SIZE_HW).numpy()
    pasted = paste_masks(masks.numpy(), boxes, SIZE_HW)
    assert expected.any(axis=(1, 2)).sum() > 30
    assert (pasted != expected).mean() <= 1e-5


def test_a_full_mask_fills_its_box():
    (pasted,) = paste_masks(np.ones((1, 28, 28), np.float32), np.array([[2, 3, 12, 7.0]]), SIZE_HW)
    assert pasted[3:7, 2:12].all()
    assert pasted.sum() == 4 * 10


@pytest.mark.parametrize("density", [0, 0.03, 0.5, 1])
def test_masks_are_encoded_as_coco_does(density):
    masks = np.random.default_rng(1).random((3, 61, 43)) < density
    assert encoded_masks(masks) == expected_encoding(masks)


def test_long_runs_are_encoded_as_coco_does():
    masks = np.zeros((2, 900, 1200), dtype=bool)
    masks[0, 100:800, 300:310] = masks[0, 5, 1000] = masks[1, 0, 0] = masks[1, -1, -1] = True
    assert encoded_masks(masks) == expected_encoding(masks)
