"""Crop a fixed-size feature for each box from the pyramid level that suits its size.

Shapes: B images, C channels, M boxes of the whole batch, S output side.
"""

import math

import torch
from detectron2.layers import ROIAlign, cat
from detectron2.layers._roi_align import pools_by_cells, roi_align_by_cells
from detectron2.structures import Boxes
from torch import nn

# Keeps log2 finite for boxes without area.
_LEVEL_EPSILON = 1e-8

_ALIGNED = {"ROIAlign": False, "ROIAlignV2": True}  # by pooler type


def assign_boxes_to_levels(
    box_lists: list[Boxes],
    min_level: int,
    max_level: int,
    canonical_box_size: int,
    canonical_level: int,
) -> torch.Tensor:
    """Return the pyramid level of each box, counted from `min_level`, (M,) int64.

    A box of side `canonical_box_size` pixels belongs to `canonical_level`; doubling the side goes
    one level up. Levels are log2 of a stride; those outside the pyramid go to its ends.

    Source: FPN (arXiv 1612.03144), equation 1.
    """
    sides = torch.sqrt(cat([boxes.area() for boxes in box_lists]))
    levels = torch.floor(canonical_level + torch.log2(sides / canonical_box_size + _LEVEL_EPSILON))
    return levels.clamp(min=min_level, max=max_level).to(torch.int64) - min_level


def convert_boxes_to_pooler_format(box_lists: list[Boxes]) -> torch.Tensor:
    """Return (M, 5) rows (index of the image, x1, y1, x2, y2)."""
    boxes = cat([boxes.tensor for boxes in box_lists])
    image_index = [
        b.tensor.new_full((b.tensor.shape[0], 1), image) for image, b in enumerate(box_lists)
    ]
    return cat([cat(image_index), boxes], dim=1)


class ROIPooler(nn.Module):
    """Pools each box from one level of a feature pyramid.

    Args:
        output_size: side, or height and width, of the pooled feature.
        scales: feature resolution / input resolution of each level, finest first; neighbours
            differ by a factor of two. One scale pools everything from one map.
        sampling_ratio: samples per bin and side; 0 adapts to the size of the box.
        pooler_type: "ROIAlignV2" (half-pixel aligned) or "ROIAlign".
        canonical_box_size, canonical_level: see `assign_boxes_to_levels`.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        scales: list[float],
        sampling_ratio: int,
        pooler_type: str,
        canonical_box_size: int = 224,
        canonical_level: int = 4,
    ):
        super().__init__()
        if pooler_type not in _ALIGNED:
            raise ValueError(f"unknown pooler type {pooler_type!r}; choose {', '.join(_ALIGNED)}")
        if isinstance(output_size, int):
            output_size = (output_size, output_size)
        self.output_size = tuple(output_size)
        self.min_level = round(-math.log2(scales[0]))
        self.max_level = self.min_level + len(scales) - 1
        if list(scales) != [2.0**-k for k in range(self.min_level, self.max_level + 1)]:
            raise ValueError(
                f"pooler scales must be consecutive powers of 1/2, finest first, got {list(scales)}"
            )
        self.canonical_box_size = canonical_box_size
        self.canonical_level = canonical_level
        self.scales = list(scales)
        self.sampling = sampling_ratio, _ALIGNED[pooler_type]
        self.level_poolers = nn.ModuleList(
            ROIAlign(self.output_size, scale, *self.sampling) for scale in scales
        )

    def forward(self, x: list[torch.Tensor], box_lists: list[Boxes]) -> torch.Tensor:
        """Return (M, C, S, S) features in the order of the boxes, from (B, C, H, W) of each level.

        The boxes of each of the B images are in pixels of the network input.
        """
        rois = convert_boxes_to_pooler_format(box_lists)
        if torch.compiler.is_compiling():
            return self._pool_in_graph(x, rois, self._levels(box_lists))
        if len(self.level_poolers) == 1:
            return self.level_poolers[0](x[0], rois)
        levels = self._levels(box_lists)
        if pools_by_cells(x[0]):
            return roi_align_by_cells(
                x, self.scales, rois, levels, self.output_size, *self.sampling
            )
        order = torch.argsort(levels, stable=True)
        ends = torch.searchsorted(
            levels[order], torch.arange(len(x), device=order.device), right=True
        )
        rois_of_level = rois[order].tensor_split(ends[:-1].tolist())
        pooled = cat(
            [pool(f, r) for pool, f, r in zip(self.level_poolers, x, rois_of_level, strict=True)]
        )
        return torch.empty_like(pooled).index_copy(0, order, pooled)

    def _levels(self, box_lists: list[Boxes]) -> torch.Tensor:
        """Return the level of each box, counted from the finest, (M,) int64."""
        canonical = self.canonical_box_size, self.canonical_level
        return assign_boxes_to_levels(box_lists, self.min_level, self.max_level, *canonical)

    def _pool_in_graph(
        self, x: list[torch.Tensor], rois: torch.Tensor, levels: torch.Tensor
    ) -> torch.Tensor:
        """Return the same by operations whose shapes alone depend on the boxes.

        Boxes without area are not pooled: their features are 0, which not all programs make of them.
        """
        shape = rois.shape[0], x[0].shape[1], *self.output_size
        pooled = x[0].new_zeros(shape)
        has_area = (rois[:, 3:] > rois[:, 1:3]).all(dim=1)
        for level, (pool, features) in enumerate(zip(self.level_poolers, x, strict=True)):
            index = ((levels == level) & has_area).nonzero()[:, 0]
            pooled = pooled.index_copy(0, index, pool(features, rois[index]))
        return pooled
