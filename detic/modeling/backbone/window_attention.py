"""Self-attention within the windows of a map, the core of the Swin Transformer.

Shapes: B images, H x W tokens of a map, C channels, G heads, M window side in tokens, T = M *
M tokens of a window, N windows of the batch.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MASKED = -100.0  # added to the logits of token pairs that are not neighbours in the image


def to_windows(x: Tensor, window: int) -> Tensor:
    """Return a map (B, H, W, C), whole windows high and wide, as windows (N, T, C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window * window, c)


def from_windows(windows: Tensor, size_hw: tuple[int, int], window: int) -> Tensor:
    """Return the map (B, H, W, C) of windows (N, T, C): the inverse of :func:`to_windows`."""
    h, w = size_hw
    x = windows.view(-1, h // window, w // window, window, window, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, h, w, windows.shape[-1])


def shift_mask(size_hw: tuple[int, int], window: int, shift: int, device: torch.device) -> Tensor:
    """Return what to add to attention logits so that shifted windows do not mix far regions.

    A cyclic shift brings opposite borders of the map into one window; only tokens of the same
    region see each other.

    Returns:
        (windows of one map, T, T): 0 or -100. Calls with equal arguments share it.
    """
    if torch.compiler.is_compiling():  # what a graph is made with is no tensor to keep
        return _shift_mask(size_hw, window, shift, device)
    return _kept_shift_mask(size_hw, window, shift, device)


def _shift_mask(size_hw: tuple[int, int], window: int, shift: int, device: torch.device) -> Tensor:
    region = torch.zeros(size_hw, device=device)
    spans = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(spans):
        for j, columns in enumerate(spans):
            region[rows, columns] = len(spans) * i + j
    regions = to_windows(region[None, :, :, None], window).squeeze(2)  # (windows, T)
    differs = regions[:, None, :] != regions[:, :, None]
    return differs.float() * _MASKED


@functools.lru_cache(maxsize=16)
@torch.inference_mode(False)  # training may use what inference made
def _kept_shift_mask(
    size_hw: tuple[int, int], window: int, shift: int, device: torch.device
) -> Tensor:
    return _shift_mask(size_hw, window, shift, device)


def relative_position_index(window: int) -> Tensor:
    """Return, for each pair of tokens of a window, the row of the bias table; (T, T) int64."""
    rows, columns = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    row, column = rows.flatten(), columns.flatten()
    d_row = row[:, None] - row + window - 1
    d_column = column[:, None] - column + window - 1
    return d_row * (2 * window - 1) + d_column


class WindowAttention(nn.Module):
    """Self-attention within windows with a learned bias per relative position."""

    relative_position_index: Tensor  # (T, T) rows of the bias table

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return (N, T, C) for windows (N, T, C); ``mask``: (windows of one map, T, T)."""
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (T, T, G)
        bias = bias.permute(2, 0, 1)[None]  # (1, G, T, T)
        if mask is not None:
            bias = bias + mask[:, None]  # (windows, G, T, T)
            if n > len(mask):
                bias = bias.repeat(n // len(mask), 1, 1, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype)).transpose(1, 2)
        if torch.compiler.is_compiling():  # who computes it decides on its layout
            x = x.clone(memory_format=torch.contiguous_format)
        return self.proj(x.reshape(n, t, c))
