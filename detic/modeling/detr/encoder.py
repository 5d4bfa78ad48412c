"""The encoder: every cell of every level looks at a few cells of all levels.

Shapes: B images, S cells of all L levels, d width of the model.
"""

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from detic.modeling.detr.attention import DeformableAttention
from detic.modeling.detr.levels import TokenLevels


@dataclass(frozen=True)
class LayerParams:
    """The sizes of a layer of the encoder or the decoder."""

    width: int = 256  # d
    num_heads: int = 8
    num_levels: int = 4  # L
    feedforward_width: int = 1024
    dropout: float = 0.1


class EncoderLayer(nn.Module):
    """Deformable attention of the tokens to each other, then a feed-forward network.

    Each part is added to its input, then normalised.
    """

    def __init__(self, params: LayerParams):
        super().__init__()
        width, hidden = params.width, params.feedforward_width
        self.self_attn = DeformableAttention(width, params.num_heads, params.num_levels)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, levels: TokenLevels, references: Tensor) -> Tensor:
        """Return the new tokens (B, S, d); ``references``: (B, S, L, 2), their places by level."""
        x = levels.tokens
        attended = self.self_attn(x + levels.positions, references, levels)
        x = self.norm1(x + self.dropout(attended))
        hidden = self.dropout(F.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(hidden)))


class Encoder(nn.Module):
    """A stack of layers."""

    def __init__(self, params: LayerParams, num_layers: int):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(params) for _ in range(num_layers))

    def forward(self, levels: TokenLevels) -> TokenLevels:
        """Return the levels with encoded tokens."""
        ratios_wh = levels.valid_ratios
        # Relative to the image, then to the padded map of each level
        centres = levels.centres(ratios_wh * levels.sizes_wh)
        references = centres[:, :, None] * ratios_wh[:, None]
        for layer in self.layers:
            levels = replace(levels, tokens=layer(levels, references))
        return levels
