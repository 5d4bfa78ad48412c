"""What the decoder starts from: learned queries, or the most promising tokens of the encoder.

Shapes: B images, L levels, S cells of all levels, Q queries, d width of the model.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from detic.modeling.detr.levels import TokenLevels

_FIRST_SIDE = 0.05  # of the boxes of the finest level; each next level has twice as large ones
_MARGIN = 0.01  # numbers of a box that is closer to 0 or 1 make no proposal
OBJECT = 0  # the class whose logit ranks proposals


@dataclass(frozen=True, eq=False)
class Queries:
    """Queries as they enter the decoder."""

    content: Tensor  # (B, Q, d)
    position: Tensor  # (B, Q, d)
    references: Tensor  # (B, Q, 2) points or (B, Q, 4) boxes, 0 to 1 across the image


def anchor_logits(levels: TokenLevels) -> Tensor:
    """Return a square box around each cell as logits, (B, S, 4); infinite where there is none.

    Cells of the padding and those whose box is at the border have none.
    """
    sides = torch.cat(
        [
            torch.full((height * width,), _FIRST_SIDE * 2.0**level, device=levels.tokens.device)
            for level, (height, width) in enumerate(levels.shapes_hw)
        ]
    )  # (S,)
    centres = levels.centres(levels.valid_wh)
    boxes = torch.cat([centres, sides[:, None].expand_as(centres)], dim=-1)
    is_inside = ((boxes > _MARGIN) & (boxes < 1 - _MARGIN)).all(dim=-1)
    has_anchor = is_inside & ~levels.padding
    return boxes.logit().masked_fill(~has_anchor[..., None], torch.inf)


def best_proposals(class_logits: Tensor, box_logits: Tensor, limit: int) -> Tensor:
    """Return the boxes (B, Q, 4) of the tokens that most likely show an object, best first.

    The released models rank tokens by the logit of the first class, which they train for objects of
    any class. Tokens without an anchor take part.

    Args:
        class_logits: (B, S, C).
        box_logits: (B, S, 4).
        limit: Q; images with fewer tokens have as many queries.

    Returns:
        Centre and size, 0 to 1, without gradient.
    """
    scores = class_logits[..., OBJECT]
    best = scores.topk(torch.sym_min(limit, scores.shape[1]), dim=1).indices  # (B, Q)
    chosen = box_logits.gather(1, best[..., None].expand(-1, -1, 4))
    return chosen.detach().sigmoid()
