"""Pasting fixed-size masks into the image.

Shapes: N masks of S x S cells, H x W image, h x w window of it.
"""

import torch
from detectron2.layers._bilinear import bilinear_weights

_MAX_PASTE_BYTES = 2**30  # of float32 pixels held at once on an accelerator


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
    pasted = torch.zeros(len(masks), height, width, dtype=torch.bool, device=masks.device)
    masks, boxes = masks.float(), boxes.float()
    if masks.device.type == "cpu":  # the pixels around each box
        windows = enumerate(_pixel_windows(boxes, height, width))
        parts = [(slice(n, n + 1), y, x) for n, (y, x) in windows]
    else:  # whole images, many masks at once
        step = max(1, _MAX_PASTE_BYTES // (4 * height * width))
        starts = range(0, len(masks), step)
        parts = [(slice(n, n + step), slice(0, height), slice(0, width)) for n in starts]
    for n, y, x in parts:
        rows = _pixel_weights(boxes[n, 1], boxes[n, 3], y, masks.shape[1])
        columns = _pixel_weights(boxes[n, 0], boxes[n, 2], x, masks.shape[2])
        pasted[n, y, x] = rows @ masks[n] @ columns.transpose(1, 2) >= threshold
    return pasted


def _pixel_windows(boxes: torch.Tensor, height: int, width: int) -> list[tuple[slice, slice]]:
    """Return, per box, the rows and columns of the pixels that it can touch, and one around."""
    low = (boxes[:, :2].floor().long() - 1).clamp(min=0)
    high = torch.minimum(boxes[:, 2:].ceil().long() + 1, low.new_tensor([width, height]))
    corners = torch.cat((low, high), dim=1).tolist()
    return [(slice(y0, max(y0, y1)), slice(x0, max(x0, x1))) for x0, y0, x1, y1 in corners]


def _pixel_weights(
    start: torch.Tensor, end: torch.Tensor, pixels: slice, num_cells: int
) -> torch.Tensor:
    """Return the weights of the mask cells in the pixels of one axis, (N, h or w, S)."""
    side = (end - start).clamp(min=torch.finfo(start.dtype).tiny)
    centres = torch.arange(pixels.start, pixels.stop, device=start.device) + 0.5
    cells = (centres - start[:, None]) / side[:, None] * num_cells - 0.5
    return bilinear_weights(cells, num_cells)
