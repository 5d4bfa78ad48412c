"""The two towers of the tiny CLIP and what they are trained for.

Shapes: B crops and captions of a batch, D embedding width.
"""

import math
from collections.abc import Sequence

import numpy as np
import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn
from torch.nn import functional as F

from detic.modeling.backbone.tiny_resnet import BACKBONE_NAME
from detic.shapes.crops import CROP_SIDE_PX
from detic.vocabulary.text_encoder import CLIPTextEncoder

EMBED_DIM = 64
TEXT_SIZES = {"context_length": 16, "vocab_size": 2048, "width": 128, "heads": 2, "layers": 2}
MAX_SCALE = 100.0  # of cosines, as in CLIP (arXiv 2103.00020, section 2.5)


class ImageTower(nn.Module):
    """The image tower: the detector's backbone, which embeds crops.

    The last two maps are flattened rather than averaged: where a line lies is what tells one
    silhouette from another.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = timm.create_model(BACKBONE_NAME, features_only=True, out_indices=(2, 3, 4))
        channels = self.trunk.feature_info.channels()[1:]
        strides = self.trunk.feature_info.reduction()[1:]
        cells = [math.ceil(CROP_SIDE_PX / stride) ** 2 for stride in strides]
        flat = sum(count * width for count, width in zip(cells, channels, strict=True))
        self.projection = nn.Linear(flat, EMBED_DIM)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return features (B, D), not normalised, of standardised crops (B, 3, 48, 48)."""
        _, *deep_maps = self.trunk(crops)
        return self.projection(torch.cat([maps.flatten(1) for maps in deep_maps], dim=1))


class TinyCLIP(nn.Module):
    """An image tower and a text encoder with a common embedding space, and their temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.image_tower = ImageTower()
        self.text_encoder = CLIPTextEncoder(**TEXT_SIZES, embed_dim=EMBED_DIM)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, crops: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Return the scaled cosine (B, B) of each crop with each caption."""
        images = F.normalize(self.image_tower(crops), dim=1)
        texts = F.normalize(self.text_encoder(list(captions)), dim=1)
        return self.log_scale.exp().clamp(max=MAX_SCALE) * images @ texts.T


def contrastive_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return the symmetric cross-entropy of finding each crop's caption, and the reverse.

    Args:
        logits: (B, B), matching pairs on the diagonal.

    Source: Radford et al., Learning Transferable Visual Models From Natural Language
    Supervision (arXiv 2103.00020), figure 3.
    """
    matching = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, matching) + F.cross_entropy(logits.T, matching)) / 2


def standardized(crops: np.ndarray) -> torch.Tensor:
    """Return crops (B, S, S, 3), uint8 RGB, as the backbone expects them: (B, 3, S, S) float32."""
    mean = 255 * torch.tensor(IMAGENET_DEFAULT_MEAN)[:, None, None]
    std = 255 * torch.tensor(IMAGENET_DEFAULT_STD)[:, None, None]
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - mean) / std
