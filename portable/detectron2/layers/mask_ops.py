"""Pasting fixed-size masks into the image.

Shapes: N masks of S x S cells, H x W image, h x w window of it, P pixels of an axis of all windows.
"""

import numpy as np
import torch
from detectron2.layers._bilinear import bilinear_weights

_MAX_PASTE_BYTES = 2**30  # of float32 pixels held at once on an accelerator
_BOXES_AT_ONCE = 32  # whose weights are held at once on a processor


def paste_masks_in_image(
    masks: torch.Tensor,
    boxes,
    image_shape: tuple[int, int],
    threshold: float = 0.5,
) -> torch.Tensor:
    """Return the masks as they lie in the image, (N, H, W) bool.

    A mask is stretched over its box by bilinear interpolation with pixel centres at half-integer
    coordinates. Outside the box it fades to zero within half a mask cell.

    Args:
        masks: (N, S, S) probabilities.
        boxes: `Boxes` or (N, 4) XYXY, one per mask.
        image_shape: (H, W).
        threshold: pixels of at least this probability are True.
    """
    boxes = boxes if isinstance(boxes, torch.Tensor) else boxes.tensor
    height, width = image_shape
    on_cpu = masks.device.type == "cpu"
    shape = (len(masks), height, width)
    if on_cpu:  # NumPy leaves clearing to the system, which does so only where memory is used.
        pasted = torch.from_numpy(np.zeros(shape, bool))
    else:
        pasted = torch.zeros(shape, dtype=torch.bool, device=masks.device)
    step = _BOXES_AT_ONCE if on_cpu else max(1, _MAX_PASTE_BYTES // (4 * height * width))
    paste = _paste_around_boxes if on_cpu else _paste_everywhere
    parts = (values.split(step) for values in (pasted, masks.float(), boxes.float()))
    for pasted_part, masks_part, boxes_part in zip(*parts, strict=True):
        paste(pasted_part, masks_part, boxes_part, threshold)
    return pasted


def _paste_everywhere(
    pasted: torch.Tensor, masks: torch.Tensor, boxes: torch.Tensor, threshold: float
) -> None:
    """Fill `pasted` (N, H, W) with all masks in one product over the whole image."""
    _, height, width = pasted.shape
    x0, y0, x1, y1 = boxes[..., None].unbind(1)  # (N, 1) each
    rows = _pixel_weights(y0, y1, torch.arange(height, device=boxes.device), masks.shape[1])
    columns = _pixel_weights(x0, x1, torch.arange(width, device=boxes.device), masks.shape[2])
    pasted[:] = rows @ masks @ columns.transpose(1, 2) >= threshold


def _paste_around_boxes(
    pasted: torch.Tensor, masks: torch.Tensor, boxes: torch.Tensor, threshold: float
) -> None:
    """Fill `pasted` (N, H, W), which is False, in the pixels that the boxes can touch."""
    _, height, width = pasted.shape
    low = (boxes[:, :2].floor().long() - 1).clamp(min=0)
    high = torch.minimum(boxes[:, 2:].ceil().long() + 1, low.new_tensor([width, height]))
    sizes = (high - low).clamp(min=0)
    rows = _window_weights(boxes[:, 1], boxes[:, 3], low[:, 1], sizes[:, 1], masks.shape[1])
    columns = _window_weights(boxes[:, 0], boxes[:, 2], low[:, 0], sizes[:, 0], masks.shape[2])
    corners = low.tolist()
    for image, mask, r, c, (x, y) in zip(pasted, masks, rows, columns, corners, strict=True):
        inside = r @ mask @ c.t() >= threshold  # (h, w)
        image[y : y + len(r), x : x + len(c)] = inside


def _window_weights(
    starts: torch.Tensor,
    ends: torch.Tensor,
    low: torch.Tensor,
    lengths: torch.Tensor,
    num_cells: int,
) -> tuple[torch.Tensor, ...]:
    """Return, per box, the weights of the mask cells in the pixels of its window, (h or w, S).

    Args:
        starts, ends: (N,) of the boxes on one axis.
        low, lengths: (N,) int64, first pixel and number of pixels of the windows.
    """
    box = torch.repeat_interleave(lengths)  # (P,) that a pixel belongs to
    first = lengths.cumsum(0) - lengths  # (N,) index into P
    pixels = torch.arange(len(box)) + (low - first)[box]
    weights = _pixel_weights(starts[box], ends[box], pixels, num_cells)
    return weights.split(lengths.tolist())


def _pixel_weights(
    starts: torch.Tensor, ends: torch.Tensor, pixels: torch.Tensor, num_cells: int
) -> torch.Tensor:
    """Return the weights (..., S) of mask cells, stretched from `starts` to `ends`, in `pixels`."""
    sides = (ends - starts).clamp(min=torch.finfo(starts.dtype).tiny)
    cells = (pixels + 0.5 - starts) / sides * num_cells - 0.5
    return bilinear_weights(cells, num_cells)
