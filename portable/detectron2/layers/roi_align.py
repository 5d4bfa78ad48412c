"""RoIAlign: the features inside boxes, resampled to a fixed grid.

Shapes: B images, N boxes, C channels, P x Q output grid. A box ("RoI") is a row (image index, x0,
y0, x1, y1).
"""

import torch
from detectron2.layers._roi_align import (
    in_sufficient_precision,
    pools_by_cells,
    roi_align_by_cells,
)
from torch import nn
from torchvision.ops import roi_align as torchvision_roi_align


class ROIAlign(nn.Module):
    """Pools boxes of a feature map to `output_size` (P, Q)."""

    def __init__(
        self,
        output_size: tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = True,
    ):
        """
        Args:
            output_size: (P, Q).
            spatial_scale: feature cells per unit of the box coordinates.
            sampling_ratio: samples per output cell and axis; 0 adapts to the size of the box.
            aligned: cell centres are at half-integer coordinates, as pixels are.
        """
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        """Return the features (N, C, P, Q) of `rois` (N, 5) in `input` (B, C, H, W)."""
        sampling = self.sampling_ratio, self.aligned
        if pools_by_cells(input):
            levels = torch.zeros(len(rois), dtype=torch.int64)
            return roi_align_by_cells(
                [input], [self.spatial_scale], rois, levels, self.output_size, *sampling
            )
        features = in_sufficient_precision(input)
        rois = rois.to(dtype=features.dtype)
        pooled = torchvision_roi_align(
            features, rois, self.output_size, self.spatial_scale, *sampling
        )
        return pooled.to(dtype=input.dtype)
