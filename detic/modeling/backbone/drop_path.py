"""Leaving out residual paths at random, image by image.

Shapes: B images.

Source: Huang et al., Deep networks with stochastic depth, arXiv 1603.09382.
"""

from torch import Tensor, nn


class DropPath(nn.Module):
    """A path that training leaves out with a probability, and strengthens where it stays.

    It draws what timm's layer of this name draws, which would be loaded with all models of timm.

    Args:
        drop_prob: probability that an image's path is left out, 0 to 1.
    """

    def __init__(self, drop_prob: float = 0.0):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Return values (B, ...), in training with zeros for images that are left out."""
        if not self.training or self.drop_prob == 0:
            return x
        keep_prob = 1 - self.drop_prob
        kept = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(keep_prob)
        return x * (kept / keep_prob if keep_prob > 0 else kept)
