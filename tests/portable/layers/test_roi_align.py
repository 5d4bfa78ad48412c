"""RoIAlign by torchvision's kernel and by matrices."""

import pytest
import torch
from detectron2.layers import ROIAlign
from detectron2.layers._roi_align import roi_align_by_matrices
from torchvision.ops import roi_align as torchvision_roi_align


def random_rois(num_boxes, num_images, size):
    """Return boxes that also reach over the border of the map."""
    corners = torch.rand(num_boxes, 2) * size * 1.2 - 0.2 * size
    sides = torch.rand(num_boxes, 2) * size
    image = torch.randint(num_images, (num_boxes, 1)).float()
    return torch.cat((image, corners, corners + sides), dim=1)


def test_aligned_pooling_of_whole_cells_returns_them():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    pooled = ROIAlign((2, 2), 0.5, 1, aligned=True)(x, torch.tensor([[0.0, 2, 2, 6, 6]]))
    assert pooled[0, 0].tolist() == [[5, 6], [9, 10]]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [1, 2])
def test_matrices_equal_the_kernel_in_values_and_gradients(aligned, sampling_ratio):
    torch.manual_seed(0)
    rois = random_rois(20, 3, 16)
    results = []
    for function in (torchvision_roi_align, roi_align_by_matrices):
        torch.manual_seed(1)
        x = torch.randn(3, 5, 7, 9, requires_grad=True)
        pooled = function(x, rois, (4, 3), 0.5, sampling_ratio, aligned)
        (pooled * torch.randn(pooled.shape)).sum().backward()
        results.append((pooled, x.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_training_and_inference_agree():
    torch.manual_seed(0)
    x, rois = torch.randn(2, 3, 8, 8), random_rois(6, 2, 8)
    pool = ROIAlign((3, 3), 1.0, 2)
    assert torch.allclose(pool(x, rois), pool(x.requires_grad_(), rois), atol=1e-5)


@pytest.mark.parametrize("requires_grad", [False, True])
def test_no_boxes(requires_grad):
    x = torch.randn(2, 3, 8, 8, requires_grad=requires_grad)
    assert ROIAlign((7, 5), 1.0, 2)(x, torch.zeros(0, 5)).shape == (0, 3, 7, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_move_the_boxes(dtype):
    ramp = torch.arange(1000.0)[None, None, None].expand(1, 1, 8, 1000) / 1000
    box = torch.tensor([[0, 601.3, 1.0, 637.4, 5.0]])  # 600 to 636 in bfloat16
    pool = ROIAlign((2, 2), 1.0, 2)
    assert torch.allclose(pool(ramp.to(dtype), box).float(), pool(ramp, box), atol=3e-3)
