"""Pasting fixed-size masks into the image.

Shapes: N masks of S x S cells, H x W image.
"""

import torch
from detectron2.layers.bilinear import bilinear_weights

MAX_PASTE_BYTES = 2**30  # of float32 pixels held at once on an accelerator


def paste_masks_in_image(
    masks: torch.Tensor,
    boxes,
    image_shape: tuple[int, int],
    threshold: float = 0.5,
) -> torch.Tensor:
    """Returns the masks as they lie in the image, (N, H, W).

    A mask is stretched over its box by bilinear interpolation with pixel centres at half-integer
    coordinates. Outside the box it fades to zero within half a mask cell.

    Args:
        masks: (N, S, S) probabilities.
        boxes: `Boxes` or (N, 4) XYXY, one per mask.
        image_shape: (H, W).
        threshold: pixels of at least this probability are True. If negative, the result is the
            probability times 255 in uint8.

    Returns:
        bool, or uint8 for a negative threshold.
    """
    boxes = boxes if isinstance(boxes, torch.Tensor) else boxes.tensor
    if len(boxes) != len(masks):
        raise ValueError(f"expected one box per mask, got {len(boxes)} boxes, {len(masks)} masks")
    height, width = image_shape
    dtype = torch.bool if threshold >= 0 else torch.uint8
    pasted = torch.zeros(len(masks), height, width, dtype=dtype, device=masks.device)
    masks, boxes = masks.float(), boxes.float()
    if masks.device.type == "cpu":
        for index, (y, x) in enumerate(_pixel_windows(boxes, height, width)):
            window = _paste(masks[index : index + 1], boxes[index : index + 1], y, x)
            pasted[index, y, x] = _quantise(window[0], threshold)
        return pasted
    chunk = max(1, MAX_PASTE_BYTES // (4 * height * width))
    for start in range(0, len(masks), chunk):
        rows = slice(start, start + chunk)
        whole = _paste(masks[rows], boxes[rows], slice(0, height), slice(0, width))
        pasted[rows] = _quantise(whole, threshold)
    return pasted


def _pixel_windows(boxes: torch.Tensor, height: int, width: int) -> list[tuple[slice, slice]]:
    """Returns, per box, the rows and columns of the pixels that it can touch, and one around."""
    low = boxes[:, :2].floor().long() - 1
    high = boxes[:, 2:].ceil().long() + 1
    bounds = torch.tensor([width, height])
    corners = torch.cat((low.clamp(min=0), torch.minimum(high, bounds)), dim=1)
    return [(slice(y0, max(y0, y1)), slice(x0, max(x0, x1))) for x0, y0, x1, y1 in corners.tolist()]


def _paste(masks: torch.Tensor, boxes: torch.Tensor, y: slice, x: slice) -> torch.Tensor:
    """Returns the probabilities in the window of rows `y` and columns `x`, (N, h, w)."""
    rows = _pixel_weights(boxes[:, 1], boxes[:, 3], y, masks.shape[1])
    columns = _pixel_weights(boxes[:, 0], boxes[:, 2], x, masks.shape[2])
    return rows @ masks @ columns.transpose(1, 2)


def _pixel_weights(
    start: torch.Tensor, end: torch.Tensor, pixels: slice, num_cells: int
) -> torch.Tensor:
    """Returns the weights of the mask cells in the pixels of one axis, (N, pixels, num_cells).

    Args:
        start, end: (N,) extent of the boxes along the axis, in pixels.
    """
    side = (end - start).clamp(min=torch.finfo(start.dtype).tiny)
    centres = torch.arange(pixels.start, pixels.stop, device=start.device) + 0.5
    cells = (centres - start[:, None]) / side[:, None] * num_cells - 0.5
    return bilinear_weights(cells, num_cells)


def _quantise(probabilities: torch.Tensor, threshold: float) -> torch.Tensor:
    if threshold >= 0:
        return probabilities >= threshold
    return (probabilities * 255).to(torch.uint8)
