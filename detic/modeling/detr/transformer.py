"""Encoder and decoder, and what leads from one to the other.

The names of the parts are those of the released weights.

Shapes: B images, S cells of all L levels, Q queries, C classes, d width of the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from detic.modeling.detr.attention import DeformableAttention, at_least_float32
from detic.modeling.detr.decoder import DecodedQueries, Decoder
from detic.modeling.detr.encoder import Encoder, LayerParams
from detic.modeling.detr.levels import TokenLevels
from detic.modeling.detr.position_encoding import encode_boxes
from detic.modeling.detr.queries import Queries, anchor_logits, best_proposals


@dataclass(frozen=True, eq=False)
class Prediction:
    """Classes and boxes of one set of queries."""

    class_logits: Tensor  # (B, Q, C)
    boxes: Tensor  # (B, Q, 4) as centre and size, 0 to 1 across the image


@dataclass(frozen=True, eq=False)
class Transformed:
    """What the transformer makes of an image."""

    layers: Sequence[DecodedQueries]  # of the decoder
    proposals: Prediction | None  # of the S tokens; None: the queries are learned


@dataclass(frozen=True)
class TransformerParams:
    """The sizes of a transformer."""

    layer: LayerParams
    encoder_layers: int = 6
    decoder_layers: int = 6
    num_queries: int = 300
    two_stage: bool = True  # queries are proposals of the encoder
    refine_boxes: bool = True  # layer by layer


class Transformer(nn.Module):
    """A transformer whose queries are proposals of its encoder, or learned."""

    def __init__(self, params: TransformerParams):
        super().__init__()
        layer = params.layer
        self.encoder = Encoder(layer, params.encoder_layers)
        self.decoder = Decoder(layer, params.decoder_layers, params.refine_boxes)
        self.level_embed = nn.Parameter(torch.empty(layer.num_levels, layer.width))
        self.num_queries = params.num_queries
        if params.two_stage:
            self.enc_output = nn.Linear(layer.width, layer.width)
            self.enc_output_norm = nn.LayerNorm(layer.width)
            self.pos_trans = nn.Linear(2 * layer.width, 2 * layer.width)
            self.pos_trans_norm = nn.LayerNorm(2 * layer.width)
        else:
            self.reference_points = nn.Linear(layer.width, 2)
            nn.init.zeros_(self.reference_points.bias)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start anew; biases and normalisations stay as they are."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.level_embed)
        for module in self.modules():
            if isinstance(module, DeformableAttention):
                module.reset_parameters()

    def forward(
        self,
        levels: TokenLevels,
        query_embed: Tensor | None,
        classify: Callable[[Tensor], Tensor],
        box_heads: Sequence[nn.Module],
    ) -> Transformed:
        """Return what the layers make of the tokens of the backbone.

        Args:
            query_embed: (Q, 2 * d) learned queries; None: the queries are proposals.
            classify: (B, S, d) to class logits (B, S, C); of proposals.
            box_heads: one per layer of the decoder, then that of the proposals.
        """
        memory = self.encoder(levels)
        if query_embed is None:
            queries, proposals = self.propose(memory, classify, box_heads[-1])
        else:
            queries, proposals = self.learned_queries(query_embed, len(levels.tokens)), None
        return Transformed(self.decoder(queries, memory, box_heads), proposals)

    def learned_queries(self, query_embed: Tensor, batch_size: int) -> Queries:
        """Return the learned queries (Q, 2 * d) for each image: positions first, then contents."""
        position, content = query_embed.expand(batch_size, -1, -1).chunk(2, dim=-1)
        points = at_least_float32(self.reference_points(position)).sigmoid()
        return Queries(content, position, points)

    def propose(
        self, memory: TokenLevels, classify: Callable[[Tensor], Tensor], box_head: nn.Module
    ) -> tuple[Queries, Prediction]:
        """Return the best proposals as queries, and all of them."""
        anchors = anchor_logits(memory)
        without_anchor = anchors.isinf().any(dim=-1, keepdim=True)
        # All tokens without an anchor have the same features.
        tokens = self.enc_output_norm(
            self.enc_output(memory.tokens.masked_fill(without_anchor, 0.0))
        )
        class_logits = classify(tokens)
        box_logits = at_least_float32(box_head(tokens)) + anchors
        boxes = best_proposals(class_logits, box_logits, self.num_queries)
        position, content = self.pos_trans_norm(
            self.pos_trans(encode_boxes(boxes, tokens.shape[-1]))
        ).chunk(2, dim=-1)
        return (
            Queries(content, position, boxes),
            Prediction(class_logits, box_logits.sigmoid()),
        )
