"""RoIAlign by torchvision's kernel and by cells."""

import pytest
import torch
from detectron2.layers import ROIAlign
from detectron2.layers._roi_align import roi_align_by_cells
from torchvision.ops import roi_align as torchvision_roi_align


def random_rois(num_boxes, num_images, side):
    """Return boxes from tiny to huge, many of them partly or wholly outside a map of `side`."""
    corners = (2 * torch.rand(num_boxes, 2) - 0.5) * side
    size = torch.tensor([0.01, 0.3, 1, 4]).repeat(num_boxes // 4)[:, None]
    image = torch.randint(num_images, (num_boxes, 1)).float()
    return torch.cat((image, corners, corners + torch.rand(num_boxes, 2) * size * side), dim=1)


def pool_by_cells(x, rois, output_size, scale, *sampling):
    levels = torch.zeros(len(rois), dtype=torch.int64)
    return roi_align_by_cells([x], [scale], rois, levels, output_size, *sampling)


def test_aligned_pooling_of_whole_cells_returns_them():
    x = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 32, 4, 4)
    pooled = ROIAlign((2, 2), 0.5, 1, aligned=True)(x, torch.tensor([[0.0, 2, 2, 6, 6]]))
    assert pooled[0, 3].tolist() == [[5, 6], [9, 10]]


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size_hw", [(13, 9), (1, 1)])
def test_cells_equal_the_kernel_in_values_and_gradients(
    aligned, sampling_ratio, memory_format, size_hw
):
    torch.manual_seed(0)
    rois = random_rois(80, 3, 26)
    results = []
    for function in (torchvision_roi_align, pool_by_cells):
        torch.manual_seed(1)
        x = torch.randn(3, 5, *size_hw).contiguous(memory_format=memory_format).requires_grad_()
        pooled = function(x, rois, (4, 3), 0.5, sampling_ratio, aligned)
        (pooled * torch.randn(pooled.shape)).sum().backward()
        results.append((pooled, x.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_gradients_are_those_of_the_values():
    torch.manual_seed(0)
    maps = [torch.randn(2, 1, s, s, dtype=torch.float64, requires_grad=True) for s in (3, 2)]
    rois, levels = random_rois(8, 2, 6).double(), torch.arange(8) % 2
    assert torch.autograd.gradcheck(
        lambda *maps: roi_align_by_cells(maps, (0.5, 0.25), rois, levels, (1, 2)), maps
    )


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_boxes_without_extent_or_finite_corners_do_no_harm(aligned, sampling_ratio):
    inf, nan = float("inf"), float("nan")
    odd = [[3, 3, 3, 3], [0, -inf, 4, inf], [nan, 0, 4, 4], [5, 0, 1, 4]]
    rois = torch.tensor([[0.0, *box] for box in [*odd, [1, 1, 5, 5]]])
    x = torch.randn(1, 2, 8, 8)
    pooled = pool_by_cells(x, rois, (2, 2), 1.0, sampling_ratio, aligned)
    assert pooled.isfinite().all()
    assert not pooled[1:3].any()
    expected = torchvision_roi_align(x, rois[-1:], (2, 2), 1.0, sampling_ratio, aligned)
    assert torch.allclose(pooled[-1:], expected, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 32])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_no_boxes(channels, requires_grad):
    x = torch.randn(2, channels, 8, 8, requires_grad=requires_grad)
    assert ROIAlign((7, 5), 1.0, 2)(x, torch.zeros(0, 5)).shape == (0, channels, 7, 5)


@pytest.mark.parametrize("channels", [1, 32])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_move_the_boxes(channels, dtype):
    ramp = torch.arange(1000.0)[None, None, None].expand(1, channels, 8, 1000) / 1000
    box = torch.tensor([[0, 601.3, 1.0, 637.4, 5.0]])  # 600 to 636 in bfloat16
    pool = ROIAlign((2, 2), 1.0, 2)
    assert torch.allclose(pool(ramp.to(dtype), box).float(), pool(ramp, box), atol=3e-3)
