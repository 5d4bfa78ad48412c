"""Encode boxes as offsets from reference boxes, and decode them.

Boxes are (x1, y1, x2, y2) in pixels. Shapes: R boxes, K boxes per row (1 or the number of classes).
"""

import math

import torch

# Detectron2 has it here under this name.
from ._regression_loss import dense_box_regression_loss as _dense_box_regression_loss  # noqa: F401

# A box may grow at most to 1000 pixels from the 16 pixels of one stride: exp() stays finite.
_DEFAULT_SCALE_CLAMP = math.log(1000.0 / 16)


class Box2BoxTransform:
    """The encoding (dx, dy, dw, dh) of a target box relative to a source box.

    dx, dy is the shift of the centre in units of the source's width and height; dw, dh is the
    logarithm of the ratio of sizes. Each is multiplied by its weight.

    Args:
        weights: factors of (dx, dy, dw, dh).
        scale_clamp: largest dw and dh (weight removed) when decoding.

    Source: R-CNN (arXiv 1311.2524), appendix C.
    """

    def __init__(
        self,
        weights: tuple[float, float, float, float],
        scale_clamp: float = _DEFAULT_SCALE_CLAMP,
    ):
        self.weights = weights
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes: torch.Tensor, target_boxes: torch.Tensor) -> torch.Tensor:
        """Return the (..., 4) deltas that turn `src_boxes` into `target_boxes`, both (..., 4)."""
        src_x, src_y, src_width, src_height = _center_and_size(src_boxes)
        x, y, width, height = _center_and_size(target_boxes)
        if src_boxes.device.type == "cpu":  # an accelerator would be waited for
            assert bool((src_width > 0).all()), "boxes to regress from must not be empty"
        offsets = (
            (x - src_x) / src_width,
            (y - src_y) / src_height,
            torch.log(width / src_width),
            torch.log(height / src_height),
        )
        weighted = [weight * offset for weight, offset in zip(self.weights, offsets, strict=True)]
        return torch.stack(weighted, dim=-1)

    def apply_deltas(self, deltas: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Return the boxes that `deltas` describe.

        Args:
            deltas: (R, 4 * K); each row holds K deltas for the box of that row.
            boxes: (R, 4).

        Returns:
            (R, 4 * K) float32. Not clipped to any image.

        Example:
            >>> transform = Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0))
            >>> box = torch.tensor([[10.0, 10.0, 30.0, 20.0]])
            >>> transform.apply_deltas(torch.tensor([[0.5, 0.0, math.log(2), 0.0]]), box)
            tensor([[10., 10., 50., 20.]])
        """
        rows, columns = deltas.shape
        deltas = deltas.float().reshape(rows, columns // 4, 4)  # (R, K, 4)
        dx, dy, dw, dh = (
            delta / weight
            for delta, weight in zip(deltas.unbind(dim=-1), self.weights, strict=True)
        )
        src_x, src_y, src_width, src_height = _center_and_size(boxes.to(deltas.dtype)[:, None])
        x = src_x + dx * src_width
        y = src_y + dy * src_height
        half_width = 0.5 * src_width * torch.exp(dw.clamp(max=self.scale_clamp))
        half_height = 0.5 * src_height * torch.exp(dh.clamp(max=self.scale_clamp))
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        return torch.stack(corners, dim=-1).flatten(start_dim=1)  # (R, K, 4) -> (R, 4 * K)


def _center_and_size(boxes_xyxy: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x1, y1, x2, y2 = boxes_xyxy.unbind(dim=-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height
