"""RoIAlign: the features inside boxes, resampled to a fixed grid.

Shapes: B images, N boxes, C channels, H x W feature map, P x Q output grid. A box ("RoI") is a row
(image index, x0, y0, x1, y1).

Source: He et al., Mask R-CNN, section 3; half-pixel alignment as in Detectron2's ROIAlignV2.
"""

import torch
from detectron2.layers.bilinear import bilinear_weights
from torch import nn
from torchvision.ops import roi_align as torchvision_roi_align

# Forward and backward pass of 512 boxes with 256 channels on one thread, matrices : torchvision:
# 94 : 445 ms on 16 x 16 cells, 247 : 447 ms on 32 x 32, 541 : 465 ms on 80 x 80.
MAX_CELLS_FOR_MATRICES = 1024


class ROIAlign(nn.Module):
    """Pools boxes of a feature map to `output_size` (P, Q)."""

    def __init__(
        self,
        output_size: tuple[int, int] | int,
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = True,
    ):
        """
        Args:
            output_size: (P, Q), or one number for both.
            spatial_scale: feature cells per unit of the box coordinates.
            sampling_ratio: samples per output cell and axis; 0 adapts to the size of the box.
            aligned: cell centres are at half-integer coordinates, as pixels are.
        """
        super().__init__()
        if isinstance(output_size, int):
            output_size = (output_size, output_size)
        self.output_size = tuple(output_size)
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        """Returns the pooled features, (N, C, P, Q).

        Args:
            input: (B, C, H, W).
            rois: (N, 5), coordinates on the scale that `spatial_scale` multiplies.
        """
        return roi_align(
            input,
            rois.to(dtype=input.dtype),
            self.output_size,
            self.spatial_scale,
            self.sampling_ratio,
            self.aligned,
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


def roi_align(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> torch.Tensor:
    """Returns the pooled features, (N, C, P, Q), by whichever kernel is faster here.

    torchvision's kernel computes all but one case: its backward pass is slow on CPU, and for small
    maps with a fixed number of samples `roi_align_by_matrices` gives the same numbers sooner.
    """
    cells = features.shape[2] * features.shape[3]
    if (
        features.device.type == "cpu"
        and features.requires_grad
        and torch.is_grad_enabled()
        and sampling_ratio > 0
        and cells <= MAX_CELLS_FOR_MATRICES
    ):
        return roi_align_by_matrices(
            features, rois, output_size, spatial_scale, sampling_ratio, aligned
        )
    return torchvision_roi_align(
        features, rois, output_size, spatial_scale, sampling_ratio, aligned
    )


def roi_align_by_matrices(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool = True,
) -> torch.Tensor:
    """Returns what `roi_align` does, by two matrix products per box.

    The arguments are those of `roi_align`, with `sampling_ratio` > 0.
    """
    height, width = features.shape[2:]
    offset = 0.5 if aligned else 0.0
    corners = rois[:, 1:].detach() * spatial_scale - offset
    min_side = 0.0 if aligned else 1.0
    rows = _axis_weights(corners[:, 1::2], output_size[0], sampling_ratio, height, min_side)
    columns = _axis_weights(corners[:, 0::2], output_size[1], sampling_ratio, width, min_side)
    image_index = rois[:, 0].long()
    pooled, order = [], []
    for image in range(len(features)):
        of_image = (image_index == image).nonzero()[:, 0]
        pooled.append(_resample(features[image], rows[of_image], columns[of_image]))
        order.append(of_image)
    return torch.cat(pooled)[torch.cat(order).argsort()]


def _axis_weights(
    bounds: torch.Tensor, num_bins: int, sampling_ratio: int, size: int, min_side: float
) -> torch.Tensor:
    """Returns the weights of the cells of one axis in the output cells, (N, num_bins, size).

    Args:
        bounds: (N, 2) first and last coordinate of the boxes, cell centres at integers.
        size: cells of the feature map along the axis.
        min_side: shorter boxes are lengthened to this many cells.
    """
    start = bounds[:, :1]
    side = (bounds[:, 1:] - start).clamp(min=min_side)
    num_samples = num_bins * sampling_ratio
    fractions = (torch.arange(num_samples, dtype=bounds.dtype) + 0.5) / num_samples
    positions = start + side * fractions
    inside = (positions >= -1) & (positions <= size)
    weights = bilinear_weights(positions.clamp(0, size - 1), size) * inside[..., None]
    return weights.reshape(-1, num_bins, sampling_ratio, size).mean(dim=2)


def _resample(features: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Returns rows @ features @ columns.T for every box and channel, (N, C, P, Q).

    Args:
        features: (C, H, W).
        rows: (N, P, H).
        columns: (N, Q, W).
    """
    num_boxes, num_rows, height = rows.shape
    num_columns = columns.shape[1]
    num_channels, _, width = features.shape
    by_row = features.transpose(0, 1).reshape(height, num_channels * width)
    picked = rows.reshape(-1, height) @ by_row  # (N * P, C * W)
    picked = picked.reshape(num_boxes, num_rows * num_channels, width)
    sampled = torch.bmm(picked, columns.transpose(1, 2))  # (N, P * C, Q)
    return sampled.reshape(num_boxes, num_rows, num_channels, num_columns).transpose(1, 2)
