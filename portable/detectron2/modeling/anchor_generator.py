"""Anchors: boxes of fixed sizes and shapes centred on every cell of the feature maps.

Boxes are (x1, y1, x2, y2) in pixels of the network input. Shapes: A anchors per cell, H x W cells.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes
from detectron2.utils.registry import Registry
from torch import nn

# Modules that make anchors, called as `obj(features)`; built as `obj(cfg, input_shape)` with the
# list of the features' `ShapeSpec`.
ANCHOR_GENERATOR_REGISTRY = Registry("ANCHOR_GENERATOR")


class BufferList(nn.Module):
    """A list of tensors that move with the module they belong to; not part of checkpoints."""

    def __init__(self, buffers: Sequence[torch.Tensor]):
        super().__init__()
        for index, buffer in enumerate(buffers):
            self.register_buffer(str(index), buffer, persistent=False)

    def __len__(self) -> int:
        return len(self._buffers)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self._buffers.values())


@ANCHOR_GENERATOR_REGISTRY.register()
class DefaultAnchorGenerator(nn.Module):
    """Makes the anchors of Faster R-CNN (arXiv 1506.01497).

    Args:
        sizes: per feature map or for all, the square roots of the anchors' areas in pixels.
        aspect_ratios: per feature map or for all, ratios height / width.
        strides: stride of each feature map in pixels.
        offset: position of the first anchor's centre in units of the stride, in [0, 1); 0.5 is the
            centre of the cell.

    Attributes:
        cell_anchors: of each feature map, (A, 4) boxes centred on the origin.
    """

    box_dim = 4

    @configurable
    def __init__(
        self,
        *,
        sizes: Sequence,
        aspect_ratios: Sequence,
        strides: Sequence[int],
        offset: float = 0.5,
    ):
        super().__init__()
        self.strides = list(strides)
        self.offset = offset
        sizes = _one_per_feature(sizes, len(self.strides))
        aspect_ratios = _one_per_feature(aspect_ratios, len(self.strides))
        self.cell_anchors = BufferList(
            [self.generate_cell_anchors(*level) for level in zip(sizes, aspect_ratios, strict=True)]
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict:
        return {
            "sizes": cfg.MODEL.ANCHOR_GENERATOR.SIZES,
            "aspect_ratios": cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS,
            "strides": [shape.stride for shape in input_shape],
            "offset": cfg.MODEL.ANCHOR_GENERATOR.OFFSET,
        }

    @property
    def num_anchors(self) -> list[int]:
        """The number of anchors per cell, of each feature map."""
        return [len(anchors) for anchors in self.cell_anchors]

    @property
    def num_cell_anchors(self) -> list[int]:
        """The same as `num_anchors`."""
        return self.num_anchors

    def generate_cell_anchors(
        self,
        sizes: Sequence[float] = (32, 64, 128, 256, 512),
        aspect_ratios: Sequence[float] = (0.5, 1, 2),
    ) -> torch.Tensor:
        """Return (A, 4) boxes around the origin: every ratio of the first size, then the next."""
        half_sizes = [
            (0.5 * size / math.sqrt(ratio), 0.5 * size * math.sqrt(ratio))
            for size in sizes
            for ratio in aspect_ratios
        ]
        return torch.tensor([[-width, -height, width, height] for width, height in half_sizes])

    def forward(self, features: list[torch.Tensor]) -> list[Boxes]:
        """Return, per feature map (B, C, H, W), its anchors: row-major cells, then their A anchors.

        Each Boxes is (H * W * A, 4), xyxy in pixels of the image.
        """
        return [
            Boxes(_place_on_grid(anchors, feature.shape[-2:], stride, self.offset))
            for anchors, feature, stride in zip(
                self.cell_anchors, features, self.strides, strict=True
            )
        ]


def build_anchor_generator(cfg: CfgNode, input_shape: list[ShapeSpec]) -> nn.Module:
    """Return the anchor generator that `MODEL.ANCHOR_GENERATOR.NAME` names."""
    return ANCHOR_GENERATOR_REGISTRY.get(cfg.MODEL.ANCHOR_GENERATOR.NAME)(cfg, input_shape)


def _one_per_feature(values: Sequence, num_features: int) -> Sequence:
    """Return one list per feature map from a flat list, one list, or a list of lists."""
    if not isinstance(values[0], Sequence):
        return [values] * num_features
    return list(values) * num_features if len(values) == 1 else values


def _place_on_grid(
    cell_anchors: torch.Tensor, grid_hw: Sequence[int], stride_px: int, offset: float
) -> torch.Tensor:
    """Return (H * W * A, 4): `cell_anchors` moved to each cell of the grid."""
    rows, columns = (
        (torch.arange(count, device=cell_anchors.device) + offset) * stride_px for count in grid_hw
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    shifts = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)  # (H * W, 1, 4)
    return (shifts + cell_anchors).reshape(-1, 4)
