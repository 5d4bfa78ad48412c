"""Masks pasted into the image."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import mask_ops, paste_masks_in_image
from detectron2.structures import Boxes


def sampled(masks, boxes, height, width):
    """Return the probabilities at pixel centres by torch's own bilinear sampling."""
    y, x = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    pasted = []
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        rows, columns = (y - y0) / (y1 - y0) * 2 - 1, (x - x0) / (x1 - x0) * 2 - 1
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
        pasted.append(F.grid_sample(mask[None, None], grid, align_corners=False)[0, 0])
    return torch.stack(pasted)


def random_masks(num_masks):
    torch.manual_seed(0)
    corners = torch.rand(num_masks, 2) * 20
    boxes = torch.cat((corners, corners + torch.rand(num_masks, 2) * 15 + 1), dim=1)
    return torch.rand(num_masks, 28, 28), boxes


def test_full_mask_fills_the_pixels_of_its_box():
    masks = torch.ones(1, 28, 28)
    pasted = paste_masks_in_image(masks, Boxes(torch.tensor([[2.0, 3, 6, 5]])), (8, 9))
    assert pasted.dtype == torch.bool
    assert pasted.shape == (1, 8, 9)
    assert pasted[0, 3:5, 2:6].all()
    assert pasted.sum() == 8


def test_equals_bilinear_sampling_at_pixel_centres():
    masks, boxes = random_masks(30)
    expected = sampled(masks, boxes, 40, 36) >= 0.5
    assert torch.equal(paste_masks_in_image(masks, boxes, (40, 36)), expected)


def test_boxes_over_the_border_and_outside():
    boxes = torch.tensor([[-4.0, -4, 4, 4], [20, 20, 30, 30]])
    pasted = paste_masks_in_image(torch.ones(2, 14, 14), boxes, (6, 6))
    assert pasted[0].sum() == 16
    assert pasted[1].sum() == 0


def test_no_masks_and_no_box_extent():
    assert paste_masks_in_image(torch.zeros(0, 28, 28), torch.zeros(0, 4), (5, 6)).shape == (
        0,
        5,
        6,
    )
    line = torch.tensor([[2.0, 2, 2, 4]])
    assert paste_masks_in_image(torch.ones(1, 28, 28), line, (5, 6)).sum() == 0


@pytest.mark.parametrize("side", [7, 28])
def test_together_and_one_by_one_are_equal(monkeypatch, side):
    masks, boxes = random_masks(41)
    masks = masks[:, :side, :side]
    together = paste_masks_in_image(masks, boxes, (40, 36))
    monkeypatch.setattr(mask_ops, "_BOXES_AT_ONCE", 1)
    assert torch.equal(paste_masks_in_image(masks, boxes, (40, 36)), together)
    single = [
        paste_masks_in_image(m[None], b[None], (40, 36)) for m, b in zip(masks, boxes, strict=True)
    ]
    assert torch.equal(torch.cat(single), together)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu(monkeypatch):
    monkeypatch.setattr(mask_ops, "_MAX_PASTE_BYTES", 4 * 40 * 36 * 3)  # chunks of three
    masks, boxes = random_masks(7)
    on_gpu = paste_masks_in_image(masks.cuda(), boxes.cuda(), (40, 36))
    assert torch.equal(on_gpu.cpu(), paste_masks_in_image(masks, boxes, (40, 36)))
