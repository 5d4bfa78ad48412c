"""The decoder: queries look at each other and at the image, and refine their boxes.

Shapes: B images, Q queries, L levels, d width of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detic.modeling.detr.attention import DeformableAttention, at_least_float32
from detic.modeling.detr.boxes import inverse_sigmoid
from detic.modeling.detr.encoder import LayerParams
from detic.modeling.detr.levels import TokenLevels
from detic.modeling.detr.queries import Queries


@dataclass(frozen=True, eq=False)
class DecodedQueries:
    """The queries after one layer."""

    content: Tensor  # (B, Q, d)
    boxes: Tensor  # (B, Q, 4) as centre and size, 0 to 1 across the image


class DecoderLayer(nn.Module):
    """Attention of the queries to each other and to the image, then a feed-forward network.

    Each part is added to its input, then normalised. The norms have the numbers of the released
    weights, where the first part owns the second one.
    """

    def __init__(self, params: LayerParams):
        super().__init__()
        width, hidden = params.width, params.feedforward_width
        self.cross_attn = DeformableAttention(width, params.num_heads, params.num_levels)
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = nn.MultiheadAttention(
            width, params.num_heads, dropout=params.dropout, batch_first=True
        )
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)

    def forward(
        self, content: Tensor, position: Tensor, references: Tensor, levels: TokenLevels
    ) -> Tensor:
        """Return the new content (B, Q, d).

        Args:
            content, position: (B, Q, d).
            references: (B, Q, L, 2 or 4) in the padded map of each level.
        """
        x = content
        placed = x + position
        attended, _ = self.self_attn(placed, placed, x)
        x = self.norm2(x + self.dropout(attended))
        attended = self.cross_attn(x + position, references, levels)
        x = self.norm1(x + self.dropout(attended))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm3(x + self.dropout(self.linear2(hidden)))


class Decoder(nn.Module):
    """A stack of layers.

    Args:
        refine_boxes: the boxes of a layer are what the next one looks around and refines; else all
            layers look around the references of the queries.
    """

    def __init__(self, params: LayerParams, num_layers: int, refine_boxes: bool):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(params) for _ in range(num_layers))
        self.refine_boxes = refine_boxes

    def forward(
        self, queries: Queries, levels: TokenLevels, box_heads: Sequence[nn.Module]
    ) -> list[DecodedQueries]:
        """Return the queries after each layer.

        Args:
            box_heads: of each layer, (B, Q, d) to the unbounded change of a box (B, Q, 4); maybe
                followed by that of the proposals.
        """
        content, references = queries.content, queries.references
        ratios_wh = levels.valid_ratios
        decoded = []
        for layer, box_head in zip(self.layers, box_heads, strict=False):
            in_maps = references[:, :, None] * _by_size(ratios_wh, references)
            content = layer(content, queries.position, in_maps, levels)
            boxes = refined(references, at_least_float32(box_head(content)))
            decoded.append(DecodedQueries(content, boxes))
            if self.refine_boxes:
                references = boxes.detach()
        return decoded


def refined(references: Tensor, changes: Tensor) -> Tensor:
    """Return boxes in [0, 1] from references and the unbounded changes (..., 4) of their logits.

    >>> reference = torch.tensor([0.5, 0.5])  # a point has no size to start from
    >>> refined(reference, torch.tensor([0.0, 100.0, 0.0, -100.0]))
    tensor([0.5000, 1.0000, 0.5000, 0.0000])

    Args:
        references: (..., 4), or (..., 2) points.
    """
    start = inverse_sigmoid(references)
    missing = changes.shape[-1] - start.shape[-1]
    return (changes + F.pad(start, (0, missing))).sigmoid()


def _by_size(ratios_wh: Tensor, references: Tensor) -> Tensor:
    """Return ratios (B, L, 2) as (B, 1, L, 2 or 4), for the centres and sizes of references."""
    return torch.cat([ratios_wh] * (references.shape[-1] // 2), dim=-1)[:, None]
