"""Masks of boxes as pixels of the image, and as COCO's run lengths.

Shapes: N masks of S x S cells, H x W image, h x w window of it.
"""

import numpy as np

_THRESHOLD = 0.5  # least probability inside a mask


def paste_masks(masks: np.ndarray, boxes_xyxy: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return the masks as they lie in the image, (N, H, W) bool.

    A mask is stretched over its box by bilinear interpolation with pixel centres at half-integer
    coordinates. Outside the box it fades to zero within half a mask cell.

    Args:
        masks: (N, S, S) float32 probabilities.
        boxes_xyxy: (N, 4) float32, pixels of the image.
    """
    pasted = np.zeros((len(masks), *size_hw), dtype=bool)
    last = np.array([size_hw[1], size_hw[0]])
    low = np.maximum(np.floor(boxes_xyxy[:, :2]).astype(np.int64) - 1, 0)  # (N, 2) x, y
    high = np.minimum(np.ceil(boxes_xyxy[:, 2:]).astype(np.int64) + 1, last)
    for out, mask, box, (x, y), (right, bottom) in zip(
        pasted, masks, boxes_xyxy, low.tolist(), high.tolist(), strict=True
    ):
        rows = _pixel_weights(box[1], box[3], y, bottom, mask.shape[0])  # (h, S)
        columns = _pixel_weights(box[0], box[2], x, right, mask.shape[1])  # (w, S)
        out[y:bottom, x:right] = rows @ mask @ columns.T >= _THRESHOLD
    return pasted


def encoded_masks(masks: np.ndarray) -> list[dict]:
    """Return masks, (N, H, W) bool, as COCO's compressed run lengths, whose counts are text."""
    return [{"size": list(mask.shape), "counts": _as_text(_run_lengths(mask))} for mask in masks]


def _pixel_weights(
    start: np.float32, end: np.float32, low: int, high: int, num_cells: int
) -> np.ndarray:
    """Return the weights (h or w, S) of mask cells, stretched from start to end, in pixels."""
    side = max(end - start, np.finfo(np.float32).tiny)
    pixels = np.arange(low, high, dtype=np.float32)
    cells = (pixels + np.float32(0.5) - start) / side * np.float32(num_cells) - np.float32(0.5)
    distances = np.abs(cells[:, None] - np.arange(num_cells, dtype=np.float32))
    return np.maximum(1 - distances, 0)


def _run_lengths(mask: np.ndarray) -> np.ndarray:
    """Return the lengths of the runs of a mask down its columns, of zeros first.

    >>> _run_lengths(np.array([[False, True], [True, True]])).tolist()
    [1, 3]
    """
    pixels = mask.T.ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    first = [0, 0] if pixels[0] else [0]
    return np.diff(np.concatenate((first, changes, [pixels.size])))


def _as_text(counts: np.ndarray) -> str:
    """Return run lengths as text: each less the one two before, from the fourth on.

    A number has five bits a character, the lowest first; the sixth says that more follow.
    """
    rest = counts.copy()
    rest[3:] -= counts[1:-2]
    characters, is_used = [], []
    is_open = np.ones(len(rest), dtype=bool)
    while is_open.any():
        low = rest & 31
        rest >>= 5
        goes_on = rest != np.where(low & 16, -1, 0)
        characters.append(low + 32 * goes_on + 48)
        is_used.append(is_open)
        is_open = is_open & goes_on
    table = np.stack(characters, axis=1)[np.stack(is_used, axis=1)]
    return table.astype(np.uint8).tobytes().decode("ascii")
