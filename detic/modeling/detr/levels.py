"""The feature maps of a batch as one sequence of tokens.

Shapes: B images, L levels, H x W cells of a map, S cells of all maps, d width of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from detic.modeling.detr.position_encoding import PositionEncoding


@dataclass(frozen=True, eq=False)
class TokenLevels:
    """Tokens of all levels, finest first, the cells of a level row by row."""

    tokens: Tensor  # (B, S, d)
    positions: Tensor  # (B, S, d)
    padding: Tensor  # (B, S) bool, True where there is no image
    shapes_hw: tuple[tuple[int, int], ...]  # of the L maps, cells
    sizes_wh: Tensor  # (L, 2) float32, the same on the device
    valid_wh: Tensor  # (B, L, 2) float32: cells of each map that the image covers

    @property
    def valid_ratios(self) -> Tensor:
        """The share of each map that the image covers, (B, L, 2) as width and height."""
        return self.valid_wh / self.sizes_wh

    def centres(self, extents_wh: Tensor) -> Tensor:
        """Return the centres (x, y) of all cells in parts of ``extents_wh`` (B, L, 2), (B, S, 2).

        Relative to the image these extents are ``valid_wh``.
        """
        centres = []
        for level, (height, width) in enumerate(self.shapes_hw):
            x = torch.arange(width, device=self.tokens.device) + 0.5
            y = torch.arange(height, device=self.tokens.device) + 0.5
            grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
            centres.append(grid.reshape(1, -1, 2) / extents_wh[:, None, level])
        return torch.cat(centres, dim=1)


def padding_of(image_sizes_hw: Sequence[tuple[int, int]], images: Tensor) -> Tensor:
    """Return where images (B, 3, H, W) are padded, (B, H, W) bool."""
    rows, columns = (torch.arange(side, device=images.device) for side in images.shape[2:])
    below = torch.stack([rows >= height for height, _ in image_sizes_hw])  # (B, H)
    right = torch.stack([columns >= width for _, width in image_sizes_hw])  # (B, W)
    return below[:, :, None] | right[:, None, :]


def resized_padding(padding: Tensor, shape_hw: tuple[int, int]) -> Tensor:
    """Return the padding (B, H, W) of images as that of a map, by the nearest pixel."""
    resized = F.interpolate(padding[:, None].float(), size=shape_hw, mode="nearest")
    return resized[:, 0] > 0.5


def join_levels(
    maps: Sequence[Tensor], padding: Tensor, encode: PositionEncoding, level_embed: Tensor
) -> TokenLevels:
    """Return feature maps (B, d, H, W) as tokens.

    Args:
        padding: (B, H, W) bool of the images, pixels.
        level_embed: (L, d), tells the levels apart.
    """
    shapes_hw = tuple((x.shape[2], x.shape[3]) for x in maps)
    paddings = [resized_padding(padding, shape) for shape in shapes_hw]
    positions = [
        encode(of_map) + level for of_map, level in zip(paddings, level_embed, strict=True)
    ]
    valid_wh = [torch.stack([_valid(p[:, 0]), _valid(p[:, :, 0])], dim=1) for p in paddings]
    return TokenLevels(
        tokens=torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1),
        positions=torch.cat(positions, dim=1),
        padding=torch.cat([p.flatten(1) for p in paddings], dim=1),
        shapes_hw=shapes_hw,
        sizes_wh=sizes_of(shapes_hw, padding.device),
        valid_wh=torch.stack(valid_wh, dim=1),
    )


def sizes_of(shapes_hw: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Return shapes of L maps as widths and heights, (L, 2) float32."""
    sides = [side for height, width in shapes_hw for side in (width, height)]
    # In exported graphs sides are symbols, of which no tensor of numbers can be made.
    ones = torch.ones(1, device=device)
    return torch.cat([ones * side for side in sides]).unflatten(0, (-1, 2))


def _valid(padding: Tensor) -> Tensor:
    """Return how many cells of a row or column (B, N) are no padding, (B,) float32."""
    return (~padding).sum(dim=1, dtype=torch.float32)
